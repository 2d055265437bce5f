//! Who takes the lock, and who does not: from outside that shows only in the time it takes.

use super::*;
use crate::rules::{Effect, Failure, Verdict};

const FAILURE: Verdict = Verdict::Failure(Failure::new(Effect::Unknown));
const HOUR: Duration = Duration::from_secs(3600);

/// With a window of two calls, both of them successes.
fn healthy() -> Circuit {
    let circuit = Circuit::builder("callee").count_window(2).failure_ratio(1.0).open_for(HOUR).build().unwrap();
    for _ in 0..2 {
        circuit.acquire().unwrap().record(Verdict::Success);
    }
    circuit
}

/// Changes the machine behind the word's back. Who takes the lock puts the word right, and gives itself away.
fn takes_the_lock<R>(circuit: &Circuit, run: impl FnOnce() -> R) -> bool {
    let word = circuit.inner.word();
    assert_ne!(word.state(), State::ForcedOpen);
    let mut step = Step::new(&circuit.inner.common.rules, Now::default());
    circuit.inner.machine.lock().unwrap().force_open(&mut step);
    let result = run();
    let taken = circuit.inner.word() != word;
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
fn an_answer_that_comes_too_late_takes_no_lock() {
    for verdict in [FAILURE, Verdict::Success, Verdict::Ignored] {
        let circuit = healthy();
        let late = circuit.acquire().unwrap();
        circuit.reset();
        assert!(!takes_the_lock(&circuit, || late.record(verdict)));

        let circuit = healthy();
        let late = circuit.acquire().unwrap();
        circuit.open_for(HOUR);
        assert!(!takes_the_lock(&circuit, || late.record(verdict)));
    }
}

#[test]
fn a_rejection_takes_no_lock_and_a_probe_does() {
    let circuit = healthy();
    circuit.open_for(HOUR);
    assert!(!takes_the_lock(&circuit, || circuit.refusal().unwrap()));
    assert!(!takes_the_lock(&circuit, || circuit.acquire().unwrap_err()));

    let circuit = healthy();
    circuit.open_for(Duration::ZERO);
    assert!(takes_the_lock(&circuit, || circuit.acquire()));
    let circuit = healthy();
    circuit.open_for(Duration::ZERO);
    let _probe = circuit.acquire().unwrap();
    assert!(takes_the_lock(&circuit, || circuit.refusal()));
}
