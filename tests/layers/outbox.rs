//! The relay of an outbox, on the store in memory.

mod helpers;
mod relay;
