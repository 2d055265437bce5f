//! The relay of an outbox, on the store in memory.

#![allow(clippy::unwrap_used, reason = "what helps the tests may fail as they do")]

mod check;
mod config;
mod ends;
mod helpers;
mod leases;
mod relay;
mod shutdown;
mod simulation;
mod unreliable;
