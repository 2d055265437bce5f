//! Open: rejects, and says for how long.

use super::*;
use windbreak::backoff::{Backoff, Jitter};

/// The promise of a rejection: refused a nanosecond before, admitted at it. Returns the probe.
async fn admitted_exactly_after(circuit: &Circuit, wait: Duration) -> Permit {
    assert_eq!(rejected(circuit), Some(wait));
    let part = wait / 3;
    let rest = wait.saturating_sub(part);
    advance(part).await;
    assert_eq!(rejected(circuit), Some(rest), "what is left");
    advance(just_before(rest)).await;
    assert_eq!(rejected(circuit), Some(NANOSECOND));
    assert_eq!(circuit.state(), State::Open);
    advance(NANOSECOND).await;
    assert_eq!(circuit.state(), State::Open, "a request makes it half-open, not the clock");
    let probe = admitted(circuit);
    assert_eq!(circuit.state(), State::HalfOpen);
    probe
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_honest_to_the_nanosecond() {
    for nanos in [1, 2, 999, 1_000_000, 1_000_000_007, 30_000_000_000, 86_400_000_000_001] {
        let wait = Duration::from_nanos(nanos);
        let circuit = two_strikes().open_for(wait).build().unwrap();
        advance(Duration::from_nanos(123_456_789)).await;
        trip(&circuit);
        drop(admitted_exactly_after(&circuit, wait).await);
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_honest_while_the_wait_grows_and_at_its_maximum() {
    let wait = Backoff::exponential(5 * SECOND).factor(1.5).max(20 * SECOND).jitter(Jitter::None);
    let circuit = two_strikes().open_for(wait).build().unwrap();
    trip(&circuit);
    for millis in [5_000, 7_500, 11_250, 16_875, 20_000, 20_000, 20_000] {
        let probe = admitted_exactly_after(&circuit, Duration::from_millis(millis)).await;
        probe.record(failure());
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_honest_with_jitter() {
    for jitter in [Jitter::Full, Jitter::Equal, Jitter::Decorrelated] {
        let wait = Backoff::exponential(SECOND).max(10 * SECOND).jitter(jitter);
        let circuit = two_strikes().open_for(wait).probe_timeout(SECOND).build().unwrap();
        trip(&circuit);
        for _ in 0..200 {
            let wait = rejected(&circuit).unwrap();
            assert!(wait <= 10 * SECOND, "{jitter:?}: {wait:?}");
            admitted_exactly_after(&circuit, wait).await.record(failure());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_wait_runs_from_the_outcome_that_opened_it() {
    // Slow calls are judged, so that the moment at which the call began is there to be mistaken for it.
    let circuit = two_strikes().slow_calls(60 * SECOND, 1.0).build().unwrap();
    fail(&circuit);
    call_taking(&circuit, 7 * SECOND, failure()).await;
    assert_eq!(rejected(&circuit), Some(10 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn a_growing_wait_starts_over_once_closed() {
    let circuit = two_strikes().open_for(Backoff::exponential(SECOND).jitter(Jitter::None)).build().unwrap();
    trip(&circuit);
    for seconds in [1, 2, 4, 8] {
        admitted_exactly_after(&circuit, seconds * SECOND).await.record(failure());
    }
    admitted_exactly_after(&circuit, 16 * SECOND).await.record(Verdict::Success);
    assert_eq!(circuit.state(), State::Closed);
    trip(&circuit);
    assert_eq!(rejected(&circuit), Some(SECOND));
}

#[tokio::test(start_paused = true)]
async fn it_stays_open_while_no_request_comes() {
    let circuit = two_strikes().build().unwrap();
    trip(&circuit);
    advance(3_600 * SECOND).await;
    assert_eq!(circuit.state(), State::Open);
    assert_eq!(circuit.snapshot().state, State::Open);
    drop(admitted(&circuit));
    assert_eq!(circuit.state(), State::HalfOpen);
}

#[tokio::test(start_paused = true)]
async fn a_wait_too_long_for_the_clock_never_ends() {
    let circuit = two_strikes().open_for(Duration::MAX).probe_timeout(SECOND).build().unwrap();
    trip(&circuit);
    assert_eq!(rejected(&circuit), None);
    advance(50 * 365 * 86_400 * SECOND).await;
    assert_eq!(rejected(&circuit), None);
    circuit.reset();
    succeed(&circuit);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_shows_the_calls_that_opened_it() {
    let circuit = Circuit::builder("upstream").time_window(SECOND).minimum_calls(4).build().unwrap();
    succeed(&circuit);
    trip(&circuit);
    advance(20 * SECOND).await;
    assert_eq!(circuit.snapshot().tally, tally(4, 3, 0), "though their window is long over");
}
