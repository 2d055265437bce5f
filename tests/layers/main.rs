//! Each layer by itself, with paused time and no sockets.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::type_complexity,
    clippy::unchecked_time_subtraction,
    reason = "the numbers of a test are small, and its types are read once"
)]

#[path = "../support/mod.rs"]
mod support;

mod bulkhead;
mod dead_letter;
mod deadline;
mod errors;
mod failover;
mod fallback;
mod faults;
mod further_attempts;
mod hedge;
mod hedge_orders;
mod invalid_config;
mod kept;
mod money;
mod outbox;
mod per_key;
mod rate_limit;
mod retry;
mod retry_budget;
mod retry_elsewhere;
mod retry_rejected;
mod retry_traced;
mod saga;
mod stack;
mod stack_timeouts;
mod throttle;
mod timeout;
mod verify;
mod verify_property;
