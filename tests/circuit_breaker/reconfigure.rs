//! Settings that change while the circuit is in use.

use super::*;
use windbreak::backoff::{Backoff, Jitter};

#[tokio::test(start_paused = true)]
async fn new_numbers_are_judged_by_at_the_next_outcome() {
    let circuit = Circuit::builder("upstream").count_window(10).minimum_calls(5).build().unwrap();
    for _ in 0..3 {
        fail(&circuit);
    }
    circuit.reconfigure(|settings| settings.minimum_calls(2).failure_ratio(0.7)).unwrap();
    assert_eq!((circuit.state(), circuit.snapshot().tally), (State::Closed, tally(3, 3, 0)));
    succeed(&circuit);
    assert_eq!(circuit.state(), State::Open, "3 of 4 are more than 0.7");
}

#[tokio::test(start_paused = true)]
async fn a_number_out_of_bounds_changes_nothing() {
    let circuit = two_strikes().build().unwrap();
    let error = circuit.reconfigure(|settings| settings.open_for(SECOND).probes(0)).unwrap_err();
    assert_eq!(error.to_string(), "circuit `upstream`: `probes` is 0; it must be from 1 to 1000");
    trip(&circuit);
    assert_eq!(rejected(&circuit), Some(10 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn a_count_window_keeps_the_last_calls_it_has_room_for() {
    let circuit = Circuit::builder("upstream").count_window(8).failure_ratio(1.0).build().unwrap();
    for _ in 0..4 {
        fail(&circuit);
    }
    for _ in 0..4 {
        succeed(&circuit);
    }
    circuit.reconfigure(|settings| settings.count_window(5)).unwrap();
    assert_eq!(circuit.snapshot().tally, tally(5, 1, 0));
    circuit.reconfigure(|settings| settings.count_window(9)).unwrap();
    succeed(&circuit);
    assert_eq!(circuit.snapshot().tally, tally(6, 1, 0));
    circuit.reconfigure(|settings| settings.time_window(SECOND)).unwrap();
    assert_eq!(circuit.snapshot().tally, tally(0, 0, 0), "a window of another kind starts empty");
}

#[tokio::test(start_paused = true)]
async fn a_time_window_that_does_not_change_keeps_its_calls() {
    let circuit = Circuit::builder("upstream").time_window(10 * SECOND).build().unwrap();
    fail(&circuit);
    circuit.reconfigure(|settings| settings.failure_ratio(0.1)).unwrap();
    assert_eq!(circuit.snapshot().tally, tally(1, 1, 0));
    circuit.reconfigure(|settings| settings.time_window(20 * SECOND)).unwrap();
    assert_eq!(circuit.snapshot().tally, tally(0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn calls_in_flight_still_count() {
    let circuit = two_strikes().build().unwrap();
    let calls = [admitted(&circuit), admitted(&circuit)];
    circuit.reconfigure(|settings| settings.open_for(SECOND)).unwrap();
    for call in calls {
        call.record(failure());
    }
    assert_eq!(rejected(&circuit), Some(SECOND));
}

#[tokio::test(start_paused = true)]
async fn the_wait_that_is_running_is_kept() {
    let circuit = two_strikes().build().unwrap();
    trip(&circuit);
    circuit.reconfigure(|settings| settings.open_for(SECOND)).unwrap();
    assert_eq!(rejected(&circuit), Some(10 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn new_waits_start_with_their_first_and_others_go_on_growing() {
    let growing = |first| Backoff::exponential(first).jitter(Jitter::None);
    for (first, next) in [(5 * SECOND, 5 * SECOND), (SECOND, 2 * SECOND)] {
        let circuit = two_strikes().open_for(growing(SECOND)).build().unwrap();
        trip(&circuit);
        circuit.reconfigure(|settings| settings.open_for(growing(first))).unwrap();
        advance(SECOND).await;
        fail(&circuit);
        assert_eq!(rejected(&circuit), Some(next));
    }
}

/// What was cancelled under a longer timeout would be two failures under the shorter one, and a probe that is ignored would
/// be told to have brought them.
#[tokio::test(start_paused = true)]
async fn the_time_of_cancelled_probes_is_forgotten() {
    let circuit = two_strikes().probes(2).probe_timeout(10 * SECOND).build().unwrap();
    trip_and_wait(&circuit).await;
    let cancelled = admitted(&circuit);
    advance(2 * SECOND).await;
    drop(cancelled);
    circuit.reconfigure(|settings| settings.probe_timeout(SECOND)).unwrap();
    admitted(&circuit).record(Verdict::Ignored);
    assert_eq!((circuit.state(), circuit.snapshot().tally), (State::HalfOpen, tally(0, 0, 0)));
    let cancelled = admitted(&circuit);
    advance(SECOND).await;
    drop(cancelled);
    assert_eq!(circuit.snapshot().tally, tally(1, 1, 0), "it is measured anew");
}

#[tokio::test(start_paused = true)]
async fn fewer_probes_are_enough_at_once() {
    let circuit = two_strikes().probes(5).failure_ratio(0.5).build().unwrap();
    trip_and_wait(&circuit).await;
    let hung = admitted(&circuit);
    succeed(&circuit);
    succeed(&circuit);
    assert_eq!(circuit.state(), State::HalfOpen);
    circuit.reconfigure(|settings| settings.probes(1)).unwrap();
    assert_eq!(circuit.state(), State::Closed);
    drop(hung);
}

#[tokio::test(start_paused = true)]
async fn calls_are_timed_from_then_on() {
    let circuit = two_strikes().build().unwrap();
    let untimed = admitted(&circuit);
    circuit.reconfigure(|settings| settings.slow_calls(SECOND, 1.0)).unwrap();
    let timed = admitted(&circuit);
    advance(2 * SECOND).await;
    untimed.record(Verdict::Success);
    timed.record(Verdict::Success);
    assert_eq!(circuit.snapshot().tally, tally(2, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn without_a_recovery_it_is_closed_at_the_next_request() {
    let circuit = two_strikes().recover_over(100 * SECOND).build().unwrap();
    trip_and_wait(&circuit).await;
    succeed(&circuit);
    circuit.reconfigure(|_| two_strikes()).unwrap();
    assert_eq!(circuit.state(), State::Recovering);
    succeed(&circuit);
    assert_eq!(circuit.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_panics_changes_nothing() {
    let circuit = two_strikes().build().unwrap();
    let panics = std::panic::AssertUnwindSafe(|| circuit.reconfigure(|_| std::panic::resume_unwind(Box::new(()))));
    assert!(std::panic::catch_unwind(panics).is_err());
    trip(&circuit);
    assert_eq!(rejected(&circuit), Some(10 * SECOND));
}
