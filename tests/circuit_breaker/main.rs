//! The circuit breaker from outside, with paused time: each test is named for one fact of it.

#![allow(clippy::type_complexity, reason = "the types of a test are read once")]

mod bodies;
mod cancelled;
mod causes;
mod closed;
mod config;
mod conformance;
mod events;
mod half_open;
mod helpers;
mod late;
mod open;
mod pending;
mod reconfigure;
mod recovering;
mod service;
mod siblings;
mod span;
mod subscribers;
mod switches;
mod yields;

use std::time::Duration;

use tokio::time::advance;
use windbreak::circuit_breaker::{CircuitBuilder, Permit, State};
use windbreak::rules::ErrorsOnly;
use windbreak::window::Tally;
use windbreak::{Circuit, Rejection, Verdict};

use helpers::*;

const NANOSECOND: Duration = Duration::from_nanos(1);

fn tally(calls: u64, failures: u64, slow: u64) -> Tally {
    Tally::new(calls, failures, slow)
}

fn just_before(duration: Duration) -> Duration {
    duration.saturating_sub(NANOSECOND)
}
