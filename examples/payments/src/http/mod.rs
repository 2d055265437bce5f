//! The order service over HTTP: its routes, its page, and its way to the providers and to the receiver of events.

mod app;
mod orders;
mod serve;
mod status;
mod wire;

pub use serve::{Serve, serve};
pub use wire::{HttpMail, HttpWire};
