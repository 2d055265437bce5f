//! The relay of an outbox, on the store in memory.

mod check;
mod config;
mod ends;
mod helpers;
mod leases;
mod relay;
mod shutdown;
mod simulation;
mod unreliable;
