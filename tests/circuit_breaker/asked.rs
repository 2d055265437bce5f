//! A callee that asks to be left alone, where it may.

use super::*;
use windbreak::backoff::{Backoff, Jitter};
use windbreak::{Effect, Failure};

fn asks_for(wait: Duration) -> Verdict {
    Verdict::Failure(Failure::new(Effect::NotApplied).retry_after(wait))
}

#[tokio::test(start_paused = true)]
async fn one_failure_that_asks_for_a_wait_opens_it_for_so_long() {
    let circuit = Circuit::builder("callee").open_on_retry_after(60 * SECOND).build().unwrap();
    succeed(&circuit);
    admitted(&circuit).record(asks_for(7 * SECOND));
    assert_eq!(circuit.snapshot().tally, tally(2, 1, 0));
    assert_eq!(rejected(&circuit), Some(7 * SECOND));
    advance(just_before(7 * SECOND)).await;
    assert_eq!(rejected(&circuit), Some(NANOSECOND));
    advance(NANOSECOND).await;
    succeed(&circuit);
    assert_eq!(circuit.state(), State::HalfOpen);
}

#[tokio::test(start_paused = true)]
async fn no_callee_is_granted_more_than_the_longest_wait() {
    for wait in [60 * SECOND, 61 * SECOND, Duration::MAX] {
        let circuit = two_strikes().open_on_retry_after(60 * SECOND).build().unwrap();
        admitted(&circuit).record(asks_for(wait));
        assert_eq!(rejected(&circuit), Some(60 * SECOND));
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_due_anyway_is_not_shortened() {
    let circuit = two_strikes().open_on_retry_after(60 * SECOND).build().unwrap();
    fail(&circuit);
    admitted(&circuit).record(asks_for(SECOND));
    assert_eq!(rejected(&circuit), Some(10 * SECOND), "the second strike");
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_was_asked_for_does_not_lengthen_later_ones_unless_it_was_due() {
    let growing = || two_strikes().open_for(Backoff::exponential(SECOND).jitter(Jitter::None)).probe_timeout(SECOND);
    for (strikes_before, next) in [(0, 1), (1, 2)] {
        let circuit = growing().open_on_retry_after(60 * SECOND).build().unwrap();
        for _ in 0..strikes_before {
            fail(&circuit);
        }
        admitted(&circuit).record(asks_for(5 * SECOND));
        advance(5 * SECOND).await;
        fail(&circuit);
        assert_eq!(rejected(&circuit), Some(next * SECOND));
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_asks_for_a_wait_opens_it_whatever_the_others_say() {
    let circuit = two_strikes().probes(3).open_on_retry_after(60 * SECOND).build().unwrap();
    trip_and_wait(&circuit).await;
    admitted(&circuit).record(asks_for(20 * SECOND));
    assert_eq!(rejected(&circuit), Some(20 * SECOND));
    assert_eq!(circuit.snapshot().tally, tally(1, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_wish_without_a_wait_or_without_leave_is_a_failure_like_any_other() {
    for (builder, wait) in [(two_strikes(), SECOND), (two_strikes().open_on_retry_after(SECOND), Duration::ZERO)] {
        let circuit = builder.build().unwrap();
        admitted(&circuit).record(asks_for(wait));
        assert_eq!(circuit.state(), State::Closed);
        assert_eq!(circuit.snapshot().tally, tally(1, 1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_wish_is_dropped_and_one_while_observing_only_recorded() {
    let circuit = two_strikes().open_on_retry_after(60 * SECOND).build().unwrap();
    let late = admitted(&circuit);
    let later = admitted(&circuit);
    circuit.observe_only();
    late.record(asks_for(SECOND));
    assert_eq!(circuit.snapshot().tally, tally(0, 0, 0));
    admitted(&circuit).record(asks_for(SECOND));
    assert_eq!((circuit.state(), circuit.snapshot().tally), (State::ObserveOnly, tally(1, 1, 0)));

    circuit.reset();
    trip_and_wait(&circuit).await;
    let probe = admitted(&circuit);
    later.record(asks_for(SECOND));
    assert_eq!(circuit.state(), State::HalfOpen);
    probe.record(Verdict::Success);
}

#[tokio::test(start_paused = true)]
async fn a_sibling_goes_by_the_same_rules_and_its_own_calls() {
    let circuit = two_strikes().slow_calls(SECOND, 1.0).open_on_retry_after(60 * SECOND).build().unwrap();
    fail(&circuit);
    let sibling = circuit.sibling("other");
    assert_eq!((sibling.name(), sibling.state(), sibling.snapshot().tally), ("other", State::Closed, tally(0, 0, 0)));
    answer_after(&sibling, 2 * SECOND, Verdict::Success).await;
    assert_eq!(sibling.snapshot().tally, tally(1, 0, 1));
    admitted(&sibling).record(asks_for(99 * SECOND));
    assert_eq!(rejected(&sibling), Some(60 * SECOND));
    assert_eq!((circuit.state(), circuit.snapshot().tally), (State::Closed, tally(1, 1, 0)));
}
