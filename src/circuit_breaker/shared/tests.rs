//! Who takes the lock, and who does not: from outside that shows only in the time it takes.

use std::mem::offset_of;
use std::time::Duration;

use super::*;
use crate::circuit_breaker::circuit::Circuit;
use crate::circuit_breaker::permit::Permit;
use crate::circuit_breaker::state::State;
use crate::rules::{Effect, Failure};

const FAILURE: Verdict = Verdict::Failure(Failure::new(Effect::Unknown));
const HOUR: Duration = Duration::from_secs(3600);

/// With a window of two calls, both of them successes.
fn healthy() -> Circuit {
    let circuit = Circuit::builder("upstream").count_window(2).failure_ratio(1.0).open_for(HOUR).build().unwrap();
    for _ in 0..2 {
        circuit.acquire().unwrap().record(Verdict::Success);
    }
    circuit
}

/// Changes the machine behind the word's back. Who takes the lock puts the word right, and gives itself away.
fn takes_the_lock<R>(circuit: &Circuit, run: impl FnOnce() -> R) -> bool {
    let word = circuit.shared().word();
    assert_ne!(word.state(), State::ForcedOpen);
    circuit.shared().machine.lock().unwrap().force_open(&mut Step::default());
    let result = run();
    let taken = circuit.shared().word() != word;
    // Only now: a permit that is dropped may take the lock.
    drop(result);
    taken
}

#[test]
fn a_healthy_call_takes_no_lock() {
    let circuit = healthy();
    assert!(!takes_the_lock(&circuit, || circuit.acquire()));

    for end in [Permit::record as fn(Permit, Verdict), |permit, _| drop(permit)] {
        let circuit = healthy();
        let permit = circuit.acquire().unwrap();
        assert!(!takes_the_lock(&circuit, || end(permit, Verdict::Success)));
    }
}

#[test]
fn a_call_that_changes_the_window_takes_the_lock() {
    let circuit = healthy();
    let permit = circuit.acquire().unwrap();
    assert!(takes_the_lock(&circuit, || permit.record(FAILURE)));

    // A success that pushes out another, while there is a failure beside it.
    let circuit = healthy();
    circuit.acquire().unwrap().record(FAILURE);
    let permit = circuit.acquire().unwrap();
    assert!(takes_the_lock(&circuit, || permit.record(Verdict::Success)));
}

#[test]
fn a_late_result_takes_no_lock() {
    for verdict in [FAILURE, Verdict::Success, Verdict::Ignored] {
        let circuit = healthy();
        let late = circuit.acquire().unwrap();
        circuit.reset();
        assert!(!takes_the_lock(&circuit, || late.record(verdict)));

        let circuit = healthy();
        let late = circuit.acquire().unwrap();
        circuit.force_open_for(HOUR);
        assert!(!takes_the_lock(&circuit, || late.record(verdict)));
    }
}

#[test]
fn a_rejection_takes_no_lock_and_a_probe_does() {
    let circuit = healthy();
    circuit.force_open_for(HOUR);
    assert!(!takes_the_lock(&circuit, || circuit.shared().refusal().unwrap()));
    assert!(!takes_the_lock(&circuit, || circuit.acquire().unwrap_err()));

    let circuit = healthy();
    circuit.force_open_for(Duration::ZERO);
    assert!(takes_the_lock(&circuit, || circuit.acquire()));
    let circuit = healthy();
    circuit.force_open_for(Duration::ZERO);
    let _probe = circuit.acquire().unwrap();
    assert!(takes_the_lock(&circuit, || circuit.shared().refusal()));
}

#[test]
fn the_word_lies_on_another_cache_line_than_the_reference_count() {
    // The counts of an `Arc` lie directly before what it holds.
    assert!(offset_of!(Shared, word) + 2 * size_of::<usize>() >= 64);
}
