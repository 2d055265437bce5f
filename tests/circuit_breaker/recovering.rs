//! `recover_over`: a growing share of the requests.

use super::*;
use windbreak::backoff::{Backoff, Jitter};

/// A circuit whose probe went well just now.
async fn recovering(builder: CircuitBuilder) -> Circuit {
    let circuit = builder.build().expect("valid");
    trip_and_wait(&circuit).await;
    succeed(&circuit);
    assert_eq!(circuit.state(), State::Recovering);
    circuit
}

/// How many of 10,000 requests are admitted. They count for nothing.
fn admitted_of_10_000(circuit: &Circuit) -> usize {
    (0..10_000).filter(|_| circuit.acquire().is_ok()).count()
}

#[tokio::test(start_paused = true)]
async fn a_growing_share_is_admitted_until_it_is_closed() {
    let circuit = recovering(two_strikes().recover_over(100 * SECOND)).await;
    for (seconds, share) in [(0, 1_000), (25, 3_250), (25, 5_500), (25, 7_750), (24, 9_910)] {
        advance(seconds * SECOND).await;
        let admitted = admitted_of_10_000(&circuit);
        // Six standard deviations.
        assert!(admitted.abs_diff(share) < 300, "{admitted} of 10,000, and not {share}");
        assert_eq!(circuit.state(), State::Recovering);
    }
    advance(just_before(SECOND)).await;
    assert_eq!(circuit.state(), State::Recovering);
    advance(NANOSECOND).await;
    assert_eq!(admitted_of_10_000(&circuit), 10_000);
    assert_eq!(circuit.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_rejection_in_recovery_knows_no_wait() {
    let circuit = recovering(two_strikes().recover_over(100 * SECOND)).await;
    let rejection = (0..1_000).find_map(|_| circuit.acquire().err()).expect("nine in ten are rejected");
    assert!(matches!(rejection, Rejection::CircuitOpen { retry_after: None, .. }));
}

fn admitted_at_last(circuit: &Circuit) -> Permit {
    loop {
        if let Ok(permit) = circuit.acquire() {
            return permit;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn failures_in_recovery_open_it_again_and_for_longer() {
    let growing = Backoff::exponential(SECOND).jitter(Jitter::None);
    let circuit = recovering(two_strikes().open_for(growing).recover_over(100 * SECOND)).await;
    for failures in [1, 2] {
        assert_eq!(circuit.state(), State::Recovering);
        admitted_at_last(&circuit).record(failure());
        assert_eq!(circuit.snapshot().tally, tally(failures, failures, 0));
    }
    assert_eq!(circuit.state(), State::Open);
    assert_eq!(rejected(&circuit), Some(2 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn a_recovery_that_ends_well_starts_the_waits_over() {
    let growing = Backoff::exponential(SECOND).jitter(Jitter::None);
    let circuit = two_strikes().open_for(growing).recover_over(SECOND).build().unwrap();
    trip_and_wait(&circuit).await;
    fail(&circuit);
    assert_eq!(rejected(&circuit), Some(2 * SECOND));
    advance(2 * SECOND).await;
    succeed(&circuit);
    advance(SECOND).await;
    succeed(&circuit);
    trip(&circuit);
    assert_eq!(rejected(&circuit), Some(SECOND));
}

#[tokio::test(start_paused = true)]
async fn a_call_admitted_in_recovery_still_counts_once_it_is_closed() {
    let circuit = recovering(two_strikes().recover_over(SECOND)).await;
    let calls = [admitted_at_last(&circuit), admitted_at_last(&circuit)];
    admitted_at_last(&circuit).record(Verdict::Success);
    advance(SECOND).await;
    succeed(&circuit);
    assert_eq!((circuit.state(), circuit.snapshot().tally), (State::Closed, tally(2, 0, 0)), "the window goes on");
    for call in calls {
        call.record(failure());
    }
    assert_eq!(circuit.state(), State::Open);
    assert_eq!(rejected(&circuit), Some(10 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn results_from_before_the_recovery_are_dropped() {
    let circuit = two_strikes().recover_over(100 * SECOND).build().unwrap();
    let late = [admitted(&circuit), admitted(&circuit)];
    trip_and_wait(&circuit).await;
    succeed(&circuit);
    for call in late {
        call.record(failure());
    }
    assert_eq!((circuit.state(), circuit.snapshot().tally), (State::Recovering, tally(0, 0, 0)));
}

#[tokio::test(start_paused = true)]
async fn every_switch_ends_the_recovery() {
    let switches: [(fn(&Circuit), State); 5] = [
        (Circuit::reset, State::Closed),
        (Circuit::force_open, State::ForcedOpen),
        (Circuit::force_closed, State::ForcedClosed),
        (Circuit::observe_only, State::ObserveOnly),
        (|circuit| circuit.force_open_for(SECOND), State::Open),
    ];
    for (switch, state) in switches {
        let circuit = recovering(two_strikes().recover_over(100 * SECOND)).await;
        let late = admitted_at_last(&circuit);
        switch(&circuit);
        late.record(failure());
        assert_eq!((circuit.state(), circuit.snapshot().tally), (state, tally(0, 0, 0)));
    }
}
