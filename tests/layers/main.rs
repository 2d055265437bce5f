//! Each layer by itself, with paused time and no sockets.

#[path = "../support/mod.rs"]
mod support;

mod bulkhead;
mod deadline;
mod errors;
mod fallback;
mod invalid_config;
<<<<<<< HEAD
//mod per_key;
//mod retry;
=======
// mod per_key;
// mod retry;
mod saga;
>>>>>>> saga
mod timeout;
