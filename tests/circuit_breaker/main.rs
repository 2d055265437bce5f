//! The circuit breaker from outside, with paused time: each test is named for one fact of it.

mod cancelled;
mod closed;
mod config;
mod events;
mod half_open;
mod late;
mod open;
mod service;
mod switches;

use std::time::Duration;

use tokio::time::advance;
use windbreak::circuit_breaker::{CircuitBuilder, Permit, State};
use windbreak::window::Tally;
use windbreak::{Circuit, Effect, Failure, Rejection, Verdict};

const NANOSECOND: Duration = Duration::from_nanos(1);
const SECOND: Duration = Duration::from_secs(1);

fn failure() -> Verdict {
    Verdict::Failure(Failure::new(Effect::Unknown))
}

fn tally(calls: u64, failures: u64, slow: u64) -> Tally {
    Tally { calls, failures, slow }
}

/// Opens after two failures in a row, for ten seconds; then one probe decides.
fn two_strikes() -> CircuitBuilder {
    Circuit::builder("callee").count_window(2).failure_ratio(1.0).open_for(10 * SECOND).probes(1)
}

fn admitted(circuit: &Circuit) -> Permit {
    circuit.acquire().expect("admitted")
}

/// The wait that is left, of a request that is rejected.
fn rejected(circuit: &Circuit) -> Option<Duration> {
    match circuit.acquire() {
        Err(Rejection::CircuitOpen { retry_after, .. }) => retry_after,
        other => panic!("{other:?} instead of a rejection"),
    }
}

fn succeed(circuit: &Circuit) {
    admitted(circuit).record(Verdict::Success);
}

fn fail(circuit: &Circuit) {
    admitted(circuit).record(failure());
}

fn just_before(duration: Duration) -> Duration {
    duration.saturating_sub(NANOSECOND)
}

/// One call that takes so long.
async fn answer_after(circuit: &Circuit, duration: Duration, verdict: Verdict) {
    let permit = admitted(circuit);
    advance(duration).await;
    permit.record(verdict);
}

/// Failures until it opens.
fn trip(circuit: &Circuit) {
    while circuit.state() == State::Closed {
        fail(circuit);
    }
    assert_eq!(circuit.state(), State::Open);
}

/// Trips it and waits until the next request is a probe.
async fn trip_and_wait(circuit: &Circuit) {
    trip(circuit);
    advance(rejected(circuit).expect("a wait that ends")).await;
}
