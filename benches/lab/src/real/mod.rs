//! The half that needs sockets: the same clients, around reqwest, against a server of the lab's own on loopback.
//!
//! It plays in real time, each scenario beside the others, so its figures depend a little on what else the machine does.

mod clients;
mod play;
mod server;

pub(crate) use play::play;
