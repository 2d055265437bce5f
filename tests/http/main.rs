//! What HTTP means: rules without sockets, then real clients and real servers on the loopback.

#![allow(clippy::type_complexity, reason = "the types of a test are read once")]

#[path = "../support/mod.rs"]
mod support;

mod authority;
mod body;
mod causes;
mod connections;
mod effects;
mod faults;
mod hosts;
mod idempotency;
mod rate_limit;
mod retry;
mod rules;
mod progress;
mod stack;
