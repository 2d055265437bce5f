//! Half-open: a few probes decide.

use super::*;
use windbreak::backoff::{Backoff, Jitter};

/// Half-open with its first request, which has no response yet, on two strikes and `probes` probes.
async fn half_open(builder: CircuitBuilder) -> (Circuit, Permit) {
    let circuit = builder.build().expect("valid");
    trip_and_wait(&circuit).await;
    let probe = admitted(&circuit);
    assert_eq!(circuit.state(), State::HalfOpen);
    (circuit, probe)
}

#[tokio::test(start_paused = true)]
async fn exactly_the_probes_are_admitted_however_many_arrive() {
    for probes in [1, 2, 5, 100] {
        let circuit = two_strikes().probes(probes).build().unwrap();
        trip_and_wait(&circuit).await;
        let arrivals: Vec<_> = (0..1_000).map(|_| circuit.acquire()).collect();
        assert_eq!(arrivals.iter().filter(|arrival| arrival.is_ok()).count(), probes);
        assert!(arrivals[..probes].iter().all(Result::is_ok), "the first come");
    }
}

#[test]
fn exactly_the_probes_are_admitted_to_many_threads() {
    for _ in 0..50 {
        let circuit = two_strikes().open_for(NANOSECOND).probe_timeout(3_600 * SECOND).probes(5).build().unwrap();
        trip(&circuit);
        let arrive = || (0..100).filter_map(|_| circuit.acquire().ok()).collect::<Vec<_>>();
        let permits: Vec<Permit> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(arrive)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(permits.len(), 5);
    }
}

#[tokio::test(start_paused = true)]
async fn the_rejection_of_one_probe_too_many_knows_no_wait() {
    let (circuit, probe) = half_open(two_strikes()).await;
    assert_eq!(rejected(&circuit), None);
    drop(probe);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_has_ended_makes_no_room_for_another() {
    let (circuit, probe) = half_open(two_strikes().failure_ratio(0.5).probes(3)).await;
    let second = admitted(&circuit);
    probe.record(Verdict::Success);
    let third = admitted(&circuit);
    assert_eq!(rejected(&circuit), None);
    drop((second, third));
}

#[tokio::test(start_paused = true)]
async fn it_opens_as_soon_as_the_failures_are_enough() {
    let (circuit, probe) = half_open(two_strikes().failure_ratio(0.4).probes(5)).await;
    let others: Vec<_> = (1..5).map(|_| admitted(&circuit)).collect();
    probe.record(failure());
    assert_eq!(circuit.state(), State::HalfOpen, "1 of 5");
    for (index, probe) in others.into_iter().enumerate() {
        probe.record(failure());
        assert_eq!(circuit.state(), State::Open, "2 of 5 is 0.4");
        assert_eq!(circuit.snapshot().tally, tally(2, 2, 0), "the other {index} came too late");
    }
}

#[tokio::test(start_paused = true)]
async fn it_closes_as_soon_as_the_failures_can_no_longer_be_enough() {
    let (circuit, probe) = half_open(two_strikes().failure_ratio(0.6).probes(5)).await;
    probe.record(failure());
    succeed(&circuit);
    succeed(&circuit);
    assert_eq!(circuit.state(), State::HalfOpen, "two more failures would be 3 of 5");
    succeed(&circuit);
    assert_eq!(circuit.state(), State::Closed, "one more failure is 2 of 5");
}

#[tokio::test(start_paused = true)]
async fn the_last_probe_decides_when_nothing_was_certain_before() {
    for (last, state) in [(failure(), State::Open), (Verdict::Success, State::Closed)] {
        let (circuit, probe) = half_open(two_strikes().failure_ratio(0.5).probes(4)).await;
        probe.record(failure());
        succeed(&circuit);
        succeed(&circuit);
        assert_eq!(circuit.state(), State::HalfOpen);
        admitted(&circuit).record(last);
        assert_eq!(circuit.state(), state);
    }
}

#[tokio::test(start_paused = true)]
async fn the_minimum_of_calls_does_not_hold_for_probes() {
    let (circuit, probe) = half_open(Circuit::builder("upstream").minimum_calls(20).probes(1)).await;
    probe.record(failure());
    assert_eq!(circuit.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn slow_probes_open_it_again() {
    let (circuit, probe) = half_open(two_strikes().slow_calls(SECOND, 0.5).probes(2)).await;
    advance(SECOND + NANOSECOND).await;
    probe.record(Verdict::Success);
    assert_eq!(circuit.state(), State::Open);
    assert_eq!(circuit.snapshot().tally, tally(1, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn it_does_not_close_while_the_missing_probes_can_still_be_too_slow() {
    let (circuit, probe) = half_open(two_strikes().slow_calls(SECOND, 0.5).probes(2)).await;
    advance(SECOND).await;
    probe.record(Verdict::Success);
    assert_eq!(circuit.state(), State::HalfOpen, "no failure can matter, but a slow probe can");
    succeed(&circuit);
    assert_eq!(circuit.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn an_ignored_probe_gives_its_permit_back() {
    let (circuit, mut probe) = half_open(two_strikes()).await;
    for _ in 0..10 {
        assert_eq!(rejected(&circuit), None);
        probe.record(Verdict::Ignored);
        assert_eq!(circuit.snapshot().tally, tally(0, 0, 0));
        probe = admitted(&circuit);
    }
    probe.record(Verdict::Success);
    assert_eq!(circuit.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn dropped_probe_gives_its_permit_back() {
    let (circuit, mut probe) = half_open(two_strikes()).await;
    for _ in 0..10 {
        assert_eq!(rejected(&circuit), None);
        drop(probe);
        assert_eq!(circuit.snapshot().tally, tally(0, 0, 0));
        probe = admitted(&circuit);
    }
    probe.record(failure());
    assert_eq!(circuit.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn a_probe_may_take_up_to_its_timeout_and_no_later() {
    for (late, state) in [(Duration::ZERO, State::Closed), (NANOSECOND, State::Open)] {
        let (circuit, probe) = half_open(two_strikes().probe_timeout(3 * SECOND)).await;
        advance(3 * SECOND + late).await;
        probe.record(Verdict::Success);
        assert_eq!(circuit.state(), state);
    }
}

#[tokio::test(start_paused = true)]
async fn half_open_ends_by_itself_when_its_probes_hang() {
    let wait = Backoff::exponential(10 * SECOND).jitter(Jitter::None);
    let builder = two_strikes().open_for(wait).probes(2).probe_timeout(3 * SECOND);
    let (circuit, first) = half_open(builder).await;
    let second = admitted(&circuit);
    advance(3 * SECOND).await;
    assert_eq!(rejected(&circuit), None, "they are still in time");
    advance(NANOSECOND).await;
    assert_eq!(rejected(&circuit), Some((20 * SECOND).saturating_sub(NANOSECOND)), "open again, for longer");
    assert_eq!(circuit.snapshot().tally, tally(2, 2, 0));

    advance((20 * SECOND).saturating_sub(NANOSECOND)).await;
    let third = admitted(&circuit);
    for hung in [first, second] {
        hung.record(failure());
        assert_eq!(circuit.snapshot().tally, tally(0, 0, 0), "they count no more");
    }
    third.record(Verdict::Success);
    succeed(&circuit);
    assert_eq!(circuit.state(), State::Closed);
}

/// It is noticed with the next request, which may come late. What it meets is what it would have met anyway.
#[tokio::test(start_paused = true)]
async fn hung_probes_open_it_when_their_time_is_over_not_when_that_is_noticed() {
    for (idle, left) in [(4, Some(9)), (12, Some(1)), (13, None), (3_600, None)] {
        let (circuit, hung) = half_open(two_strikes().open_for(10 * SECOND).probe_timeout(3 * SECOND)).await;
        advance(idle * SECOND).await;
        if let Some(left) = left {
            assert_eq!(rejected(&circuit), Some(left * SECOND));
        } else {
            let next = admitted(&circuit);
            assert_eq!(circuit.state(), State::HalfOpen);
            drop(hung);
            next.record(Verdict::Success);
            assert_eq!(circuit.state(), State::Closed);
        }
    }
}

/// The first of them is over at 3, the second at 5; it takes both.
#[tokio::test(start_paused = true)]
async fn of_hung_probes_the_one_that_decides_opens_it() {
    let builder = two_strikes().failure_ratio(0.6).probes(3).open_for(10 * SECOND).probe_timeout(3 * SECOND);
    let (circuit, first) = half_open(builder).await;
    advance(2 * SECOND).await;
    let second = admitted(&circuit);
    advance(SECOND).await;
    let third = admitted(&circuit);
    advance(4 * SECOND).await;
    assert_eq!(rejected(&circuit), Some(8 * SECOND));
    assert_eq!(circuit.snapshot().tally, tally(2, 2, 0));
    drop((first, second, third));
}

#[tokio::test(start_paused = true)]
async fn each_probe_has_its_own_time() {
    let (circuit, first) = half_open(two_strikes().probes(2).probe_timeout(3 * SECOND)).await;
    advance(2 * SECOND).await;
    let second = admitted(&circuit);
    advance(2 * SECOND).await;
    assert_eq!(rejected(&circuit), None);
    assert_eq!(circuit.snapshot().tally, tally(1, 1, 0), "the first is given up");
    second.record(Verdict::Success);
    assert_eq!(circuit.state(), State::Closed, "1 of 2, where it takes 2");
    drop(first);
}

#[tokio::test(start_paused = true)]
async fn a_hung_probe_counts_as_slow_too() {
    // Failures alone would need both probes.
    let (circuit, hung) = half_open(two_strikes().slow_calls(SECOND, 0.5).probes(2).probe_timeout(3 * SECOND)).await;
    succeed(&circuit);
    advance(3 * SECOND + NANOSECOND).await;
    assert_eq!(rejected(&circuit), Some((10 * SECOND).saturating_sub(NANOSECOND)));
    assert_eq!(circuit.snapshot().tally, tally(2, 1, 1));
    drop(hung);
}

#[tokio::test(start_paused = true)]
async fn a_hung_probe_is_not_slow_if_it_is_given_up_before_it_could_be() {
    let (circuit, hung) =
        half_open(two_strikes().slow_calls(5 * SECOND, 0.5).probes(2).probe_timeout(3 * SECOND)).await;
    succeed(&circuit);
    advance(3 * SECOND + NANOSECOND).await;
    assert_eq!(circuit.state(), State::HalfOpen);
    drop(hung);
    assert_eq!(circuit.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn once_closed_it_starts_with_an_empty_window() {
    let (circuit, probe) = half_open(two_strikes()).await;
    probe.record(Verdict::Success);
    assert_eq!(circuit.snapshot().tally, tally(0, 0, 0));
    fail(&circuit);
    assert_eq!(circuit.state(), State::Closed, "what opened it before is forgotten");
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_shows_the_probes_that_have_ended() {
    let (circuit, probe) = half_open(two_strikes().probes(3)).await;
    let out = admitted(&circuit);
    assert_eq!(circuit.snapshot().tally, tally(0, 0, 0));
    probe.record(failure());
    assert_eq!(circuit.snapshot().tally, tally(1, 1, 0));
    drop(out);
}

#[tokio::test(start_paused = true)]
async fn a_slow_but_healthy_upstream_is_served_again_however_short_the_open_wait_is() {
    let (circuit, probe) = half_open(two_strikes().open_for(SECOND)).await;
    advance(29 * SECOND).await;
    probe.record(Verdict::Success);
    assert_eq!(circuit.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn declined_and_throttled_probes_are_successes() {
    for verdict in [Verdict::Declined, Verdict::throttled(Some(SECOND)), Verdict::in_progress(None)] {
        let (circuit, probe) = half_open(two_strikes()).await;
        probe.record(verdict);
        assert_eq!(circuit.state(), State::Closed);
    }
}

#[tokio::test(start_paused = true)]
async fn the_time_of_a_probe_is_its_own() {
    let circuit = two_strikes().probes(2).failure_ratio(0.5).probe_timeout(10 * SECOND).build().unwrap();
    trip_and_wait(&circuit).await;
    let hung = admitted(&circuit);
    advance(5 * SECOND).await;
    succeed(&circuit);
    assert_eq!(circuit.snapshot().tally, tally(1, 0, 0));
    advance(5 * SECOND + NANOSECOND).await;
    assert!(circuit.acquire().is_err());
    assert_eq!(circuit.state(), State::Open, "the first has failed, ten seconds after it was admitted");
    drop(hung);
}
