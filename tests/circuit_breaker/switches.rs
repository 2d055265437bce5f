//! The operator's switches.

use super::*;
use windbreak::backoff::{Backoff, Jitter};

/// A circuit in each state an operator may find it in.
async fn one_in_each_state(builder: CircuitBuilder) -> Vec<Circuit> {
    let build = || builder.clone().build().expect("valid");
    let circuits: Vec<_> = (0..6).map(|_| build()).collect();
    fail(&circuits[0]);
    trip(&circuits[1]);
    trip(&circuits[2]);
    circuits[3].force_open();
    circuits[4].force_closed();
    circuits[5].observe_only();
    fail(&circuits[5]);
    // Only the third gets a request once the waits are over.
    advance(10 * SECOND).await;
    drop(admitted(&circuits[2]));
    let states: Vec<_> = circuits.iter().map(Circuit::state).collect();
    let all = [State::Closed, State::Open, State::HalfOpen, State::ForcedOpen, State::ForcedClosed, State::ObserveOnly];
    assert_eq!(states, all);
    circuits
}

#[tokio::test(start_paused = true)]
async fn forced_open_rejects_until_told_otherwise() {
    for circuit in one_in_each_state(two_strikes()).await {
        circuit.force_open();
        for _ in 0..3 {
            assert_eq!(circuit.state(), State::ForcedOpen);
            assert_eq!(rejected(&circuit), None, "nobody can say for how long");
            advance(1_000_000 * SECOND).await;
        }
        assert_eq!(circuit.snapshot().tally, tally(0, 0, 0));
        circuit.reset();
        succeed(&circuit);
    }
}

#[tokio::test(start_paused = true)]
async fn forced_closed_passes_everything_and_records_nothing() {
    for circuit in one_in_each_state(two_strikes().slow_calls(SECOND, 1.0)).await {
        circuit.force_closed();
        for _ in 0..10 {
            call_taking(&circuit, 2 * SECOND, failure()).await;
        }
        let cancelled = admitted(&circuit);
        advance(2 * SECOND).await;
        drop(cancelled);
        assert_eq!(circuit.state(), State::ForcedClosed);
        assert_eq!(circuit.snapshot().tally, tally(0, 0, 0));
        circuit.reset();
        fail(&circuit);
        assert_eq!(circuit.snapshot().tally, tally(1, 1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn observing_records_everything_and_never_opens() {
    for circuit in one_in_each_state(two_strikes().count_window(4)).await {
        circuit.observe_only();
        assert_eq!(circuit.snapshot().tally, tally(0, 0, 0), "it starts with an empty window");
        for calls in 1..=10 {
            fail(&circuit);
            assert_eq!(circuit.snapshot().tally, tally(calls.min(4), calls.min(4), 0));
        }
        for successes in 1..=10 {
            succeed(&circuit);
            assert_eq!(circuit.snapshot().tally, tally(4, 4_u64.saturating_sub(successes), 0));
        }
        fail(&circuit);
        assert_eq!(circuit.snapshot().tally, tally(4, 1, 0));
        assert_eq!(circuit.state(), State::ObserveOnly);
        circuit.reset();
        trip(&circuit);
    }
}

#[tokio::test(start_paused = true)]
async fn open_for_opens_once_for_so_long_and_then_goes_by_the_rules() {
    for circuit in one_in_each_state(two_strikes()).await {
        circuit.force_open_for(3 * SECOND);
        assert_eq!(rejected(&circuit), Some(3 * SECOND));
        advance(just_before(3 * SECOND)).await;
        assert_eq!(rejected(&circuit), Some(NANOSECOND));
        advance(NANOSECOND).await;
        fail(&circuit);
        assert_eq!(rejected(&circuit), Some(10 * SECOND), "the probe failed");
        advance(10 * SECOND).await;
        succeed(&circuit);
        assert_eq!(circuit.state(), State::Closed);
        assert_eq!(circuit.snapshot().tally, tally(0, 0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn open_for_replaces_the_wait_that_was_running() {
    let circuit = two_strikes().build().unwrap();
    trip(&circuit);
    for seconds in [100, 1, 0] {
        circuit.force_open_for(seconds * SECOND);
        assert_eq!(circuit.state(), State::Open);
        if seconds > 0 {
            assert_eq!(rejected(&circuit), Some(seconds * SECOND));
        }
    }
    assert_eq!(circuit.snapshot().tally, tally(2, 2, 0), "what first opened it");
    succeed(&circuit);
}

#[tokio::test(start_paused = true)]
async fn open_for_longer_than_the_clock_lasts_never_ends() {
    let circuit = two_strikes().build().unwrap();
    circuit.force_open_for(Duration::MAX);
    assert_eq!(rejected(&circuit), None);
    advance(10_000_000 * SECOND).await;
    assert_eq!(rejected(&circuit), None);
}

#[tokio::test(start_paused = true)]
async fn open_for_does_not_lengthen_later_waits() {
    let circuit = two_strikes().open_for(Backoff::exponential(SECOND).jitter(Jitter::None)).build().unwrap();
    circuit.force_open_for(50 * SECOND);
    advance(50 * SECOND).await;
    for seconds in [1, 2, 4] {
        fail(&circuit);
        assert_eq!(rejected(&circuit), Some(seconds * SECOND));
        advance(seconds * SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn reset_is_a_new_beginning_from_every_state() {
    let growing = two_strikes().open_for(Backoff::exponential(SECOND).jitter(Jitter::None));
    for circuit in one_in_each_state(growing.clone()).await {
        circuit.reset();
        assert_eq!(circuit.snapshot(), growing.clone().build().unwrap().snapshot());
        fail(&circuit);
        assert_eq!(circuit.state(), State::Closed);
        fail(&circuit);
        assert_eq!(rejected(&circuit), Some(SECOND), "the first wait");
    }
}

#[tokio::test(start_paused = true)]
async fn every_switch_makes_a_growing_wait_start_over() {
    let switches: [fn(&Circuit); 4] =
        [Circuit::force_open, Circuit::force_closed, Circuit::observe_only, Circuit::reset];
    for switch in switches {
        let circuit = two_strikes().open_for(Backoff::exponential(SECOND).jitter(Jitter::None)).build().unwrap();
        trip_and_wait(&circuit).await;
        fail(&circuit);
        assert_eq!(rejected(&circuit), Some(2 * SECOND));
        switch(&circuit);
        circuit.force_open_for(SECOND);
        advance(SECOND).await;
        fail(&circuit);
        assert_eq!(rejected(&circuit), Some(SECOND));
    }
}
