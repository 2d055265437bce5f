//! The order service over real sockets.

mod page;
mod service;
mod statuses;
