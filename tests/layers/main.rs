//! Each layer by itself, with paused time and no sockets.

#[path = "../support/mod.rs"]
mod support;

mod bulkhead;
mod dead_letter;
mod deadline;
mod errors;
mod failover;
mod fallback;
mod faults;
mod hedge;
mod invalid_config;
mod money;
mod per_key;
mod rate_limit;
mod retry;
mod retry_budget;
mod retry_rejected;
mod retry_traced;
mod saga;
mod stack;
mod throttle;
mod timeout;
mod verify;
