//! A circuit in a few words, and what is done with one.

use std::time::Duration;

use tokio::time::advance;
use windbreak::circuit_breaker::{CircuitBuilder, Permit, State};
use windbreak::{Circuit, Effect, Failure, Rejection, Verdict};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn failure() -> Verdict {
    Verdict::Failure(Failure::new(Effect::Unknown))
}

/// Opens after two failures in a row, for ten seconds; then one probe decides.
pub(crate) fn two_strikes() -> CircuitBuilder {
    Circuit::builder("upstream").count_window(2).failure_ratio(1.0).open_for(10 * SECOND).probes(1)
}

pub(crate) fn admitted(circuit: &Circuit) -> Permit {
    circuit.acquire().expect("admitted")
}

/// The wait that is left, of a request that is rejected.
pub(crate) fn rejected(circuit: &Circuit) -> Option<Duration> {
    match circuit.acquire() {
        Err(Rejection::CircuitOpen { retry_after, .. }) => retry_after,
        other => panic!("{other:?} instead of a rejection"),
    }
}

pub(crate) fn succeed(circuit: &Circuit) {
    admitted(circuit).record(Verdict::Success);
}

pub(crate) fn fail(circuit: &Circuit) {
    admitted(circuit).record(failure());
}

/// One call that takes so long.
pub(crate) async fn call_taking(circuit: &Circuit, duration: Duration, verdict: Verdict) {
    let permit = admitted(circuit);
    advance(duration).await;
    permit.record(verdict);
}

/// Failures until it opens.
pub(crate) fn trip(circuit: &Circuit) {
    for _ in 0..100 {
        if circuit.state() == State::Closed {
            fail(circuit);
        }
    }
    assert_eq!(circuit.state(), State::Open);
}

/// Trips it and waits until the next request is a probe.
pub(crate) async fn trip_and_wait(circuit: &Circuit) {
    trip(circuit);
    advance(rejected(circuit).expect("a wait that ends")).await;
}
