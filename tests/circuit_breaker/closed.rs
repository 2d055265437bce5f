//! Closed: what is recorded, when it is judged, and what the windows hold.

use super::*;

#[tokio::test(start_paused = true)]
async fn nothing_is_judged_before_the_minimum_of_calls_is_in() {
    let circuit = Circuit::builder("upstream").count_window(100).minimum_calls(5).build().unwrap();
    for _ in 0..4 {
        fail(&circuit);
        assert_eq!(circuit.state(), State::Closed);
    }
    fail(&circuit);
    assert_eq!(circuit.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn a_success_can_be_the_one_that_opens() {
    let circuit = Circuit::builder("upstream").failure_ratio(0.6).minimum_calls(5).build().unwrap();
    for _ in 0..3 {
        fail(&circuit);
    }
    succeed(&circuit);
    assert_eq!(circuit.state(), State::Closed, "3 of 4, and not yet judged");
    succeed(&circuit);
    assert_eq!(circuit.state(), State::Open, "3 of 5 is 0.6");
    assert_eq!(circuit.snapshot().tally, tally(5, 3, 0));
}

#[tokio::test(start_paused = true)]
async fn judged_after_every_outcome_and_not_only_when_the_window_turns() {
    let circuit = Circuit::builder("upstream").count_window(10).failure_ratio(0.5).minimum_calls(4).build().unwrap();
    for _ in 0..5 {
        succeed(&circuit);
    }
    for _ in 0..4 {
        fail(&circuit);
    }
    assert_eq!(circuit.state(), State::Closed, "4 of 9");
    fail(&circuit);
    assert_eq!(circuit.state(), State::Open, "5 of 10");
}

#[tokio::test(start_paused = true)]
async fn every_ratio_opens_when_reached_exactly_and_not_one_failure_before() {
    for calls in 1..=40_u32 {
        for failures in 1..=calls {
            let all = calls as usize;
            let build = || Circuit::builder("upstream").count_window(all).minimum_calls(all);
            let circuit = build().failure_ratio(f64::from(failures) / f64::from(calls)).build().unwrap();
            for _ in 0..=calls - failures {
                succeed(&circuit);
            }
            for _ in 1..failures {
                fail(&circuit);
            }
            assert_eq!(circuit.state(), State::Closed, "one failure short of {failures} of {calls}");
            fail(&circuit);
            assert_eq!(circuit.state(), State::Open, "{failures} of {calls}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_failure_short_of_the_ratio_stays_closed() {
    let circuit = Circuit::builder("upstream").count_window(5).failure_ratio(0.6).build().unwrap();
    // Any five in a row hold two failures.
    for call in 0..1_000 {
        if call % 5 < 2 { fail(&circuit) } else { succeed(&circuit) }
    }
    assert_eq!(circuit.state(), State::Closed);
    assert_eq!(circuit.snapshot().tally, tally(5, 2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_thousand_successes_do_not_dampen_what_comes_after() {
    let circuit = Circuit::builder("upstream").count_window(10).failure_ratio(0.5).build().unwrap();
    for _ in 0..1_000 {
        succeed(&circuit);
    }
    for failures in 1..5 {
        fail(&circuit);
        assert_eq!(circuit.snapshot().tally, tally(10, failures, 0));
    }
    assert_eq!(circuit.state(), State::Closed);
    fail(&circuit);
    assert_eq!(circuit.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn failures_slide_out_of_a_count_window() {
    let circuit = Circuit::builder("upstream").count_window(4).failure_ratio(0.75).build().unwrap();
    for failures in [1, 2] {
        fail(&circuit);
        assert_eq!(circuit.snapshot().tally.failures, failures);
    }
    for failures in [2, 2, 1, 0, 0] {
        succeed(&circuit);
        assert_eq!(circuit.snapshot().tally.failures, failures);
    }
    // The window holds nothing but successes now, and still takes note of the next failure.
    fail(&circuit);
    assert_eq!(circuit.snapshot().tally, tally(4, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn time_passing_alone_never_opens_it() {
    let circuit = Circuit::builder("upstream").time_window(10 * SECOND).minimum_calls(5).build().unwrap();
    for _ in 0..7 {
        succeed(&circuit);
    }
    advance(5 * SECOND).await;
    for _ in 0..6 {
        fail(&circuit);
    }
    assert_eq!(circuit.snapshot().tally, tally(13, 6, 0));

    advance(5 * SECOND).await;
    assert_eq!(circuit.snapshot().tally, tally(6, 6, 0), "the successes are out of the window");
    assert_eq!(circuit.state(), State::Closed);
    let permit = admitted(&circuit);
    assert_eq!(circuit.state(), State::Closed, "nor does a request open it");
    permit.record(Verdict::Success);
    assert_eq!(circuit.state(), State::Open, "the outcome does: 6 of 7");
}

#[tokio::test(start_paused = true)]
async fn slow_is_longer_than_the_threshold_and_not_as_long() {
    let circuit = Circuit::builder("upstream").slow_calls(2 * SECOND, 1.0).build().unwrap();
    call_taking(&circuit, 2 * SECOND, Verdict::Success).await;
    assert_eq!(circuit.snapshot().tally, tally(1, 0, 0));
    call_taking(&circuit, 2 * SECOND + NANOSECOND, Verdict::Success).await;
    assert_eq!(circuit.snapshot().tally, tally(2, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn slow_successes_alone_open_it_at_their_own_ratio() {
    let circuit =
        Circuit::builder("upstream").failure_ratio(1.0).minimum_calls(4).slow_calls(SECOND, 0.75).build().unwrap();
    call_taking(&circuit, SECOND, Verdict::Success).await;
    for _ in 0..2 {
        call_taking(&circuit, 2 * SECOND, Verdict::Success).await;
    }
    assert_eq!(circuit.state(), State::Closed);
    call_taking(&circuit, 2 * SECOND, Verdict::Declined).await;
    assert_eq!(circuit.state(), State::Open);
    assert_eq!(circuit.snapshot().tally, tally(4, 0, 3));
}

#[tokio::test(start_paused = true)]
async fn slow_calls_below_their_ratio_do_not_open_it() {
    let circuit =
        Circuit::builder("upstream").failure_ratio(0.5).minimum_calls(4).slow_calls(SECOND, 0.75).build().unwrap();
    for _ in 0..2 {
        call_taking(&circuit, SECOND, Verdict::Success).await;
        call_taking(&circuit, 2 * SECOND, Verdict::Success).await;
    }
    assert_eq!(circuit.snapshot().tally, tally(4, 0, 2));
    assert_eq!(circuit.state(), State::Closed, "slow is not failed: half of them would be too many failures");
}

#[tokio::test(start_paused = true)]
async fn a_slow_failure_counts_in_both_ratios() {
    let circuit =
        Circuit::builder("upstream").failure_ratio(0.5).minimum_calls(4).slow_calls(SECOND, 0.5).build().unwrap();
    call_taking(&circuit, 2 * SECOND, failure()).await;
    let tally = circuit.snapshot().tally;
    assert_eq!(tally, super::tally(1, 1, 1));
    assert_eq!((tally.failure_ratio(), tally.slow_ratio()), (Some(1.0), Some(1.0)));

    // Neither ratio adds the other's calls to its own.
    succeed(&circuit);
    succeed(&circuit);
    call_taking(&circuit, SECOND, Verdict::Success).await;
    assert_eq!(circuit.snapshot().tally, super::tally(4, 1, 1));
    assert_eq!(circuit.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn no_call_is_slow_unless_slow_calls_are_judged() {
    let circuit = two_strikes().build().unwrap();
    call_taking(&circuit, 1_000 * SECOND, Verdict::Success).await;
    assert_eq!(circuit.snapshot().tally, tally(1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn each_call_is_timed_from_its_own_admission() {
    let circuit = Circuit::builder("upstream").slow_calls(SECOND, 1.0).build().unwrap();
    let early = admitted(&circuit);
    advance(SECOND).await;
    let late = admitted(&circuit);
    advance(SECOND).await;
    late.record(Verdict::Success);
    assert_eq!(circuit.snapshot().tally, tally(1, 0, 0));
    early.record(Verdict::Success);
    assert_eq!(circuit.snapshot().tally, tally(2, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn refused_is_recorded_as_a_success() {
    let circuit = Circuit::builder("upstream").count_window(4).failure_ratio(0.75).build().unwrap();
    for verdict in [failure(), Verdict::Declined, failure(), Verdict::Declined] {
        admitted(&circuit).record(verdict);
    }
    assert_eq!(circuit.snapshot().tally, tally(4, 2, 0));
}

#[tokio::test(start_paused = true)]
async fn ignored_is_not_recorded_however_long_it_took() {
    let circuit = two_strikes().slow_calls(SECOND, 1.0).build().unwrap();
    fail(&circuit);
    for _ in 0..5 {
        call_taking(&circuit, 2 * SECOND, Verdict::Ignored).await;
    }
    assert_eq!(circuit.snapshot().tally, tally(1, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn own_rejections_are_not_recorded() {
    let circuit = two_strikes().build().unwrap();
    trip(&circuit);
    for _ in 0..5 {
        rejected(&circuit);
    }
    assert_eq!(circuit.snapshot().tally, tally(2, 2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_time_window_never_counts_a_call_older_than_the_window() {
    for buckets in [1, 2, 3, 7, 10] {
        let circuit = Circuit::builder("upstream")
            .time_window_with_buckets(10 * SECOND, buckets)
            .minimum_calls(1_000)
            .build()
            .unwrap();
        let bucket = 10 * SECOND / u32::try_from(buckets).unwrap();
        let least = just_before((10 * SECOND).saturating_sub(bucket));
        succeed(&circuit);
        for idle in [0, 1, 9_999, 10_000, 10_001, 13_900, 3_600_000, 2_592_000_123] {
            // A month with nothing in between must not move the edges.
            advance(Duration::from_millis(idle)).await;
            fail(&circuit);
            advance(least).await;
            assert_eq!(circuit.snapshot().tally.failures, 1, "{buckets} buckets: it counts for {least:?}");
            advance((10 * SECOND).saturating_sub(least)).await;
            assert_eq!(circuit.snapshot().tally.failures, 0, "{buckets} buckets: it counts for no more than that");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_time_window_forgets_calls_a_bucket_at_a_time() {
    let circuit = Circuit::builder("upstream").time_window(10 * SECOND).build().unwrap();
    for _ in 0..10 {
        succeed(&circuit);
        advance(SECOND).await;
    }
    // The first call has just left; the others follow, one each second.
    for calls in (0..10).rev() {
        assert_eq!(circuit.snapshot().tally.calls, calls);
        advance(SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn calls_that_left_the_time_window_do_not_make_up_the_minimum() {
    let circuit = Circuit::builder("upstream").time_window(10 * SECOND).minimum_calls(3).build().unwrap();
    for _ in 0..10 {
        for _ in 0..2 {
            fail(&circuit);
        }
        advance(10 * SECOND).await;
    }
    assert_eq!(circuit.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn the_same_history_opens_at_the_same_call_whatever_the_number_of_clones() {
    let circuit = two_strikes().build().unwrap();
    let clone = circuit.clone();
    fail(&circuit);
    fail(&clone);
    assert_eq!((circuit.state(), clone.state()), (State::Open, State::Open));
}
