//! Numbers that cannot work are refused when the circuit is built, and how it shows itself.

use super::*;
use windbreak::backoff::Backoff;
use windbreak::window::CountWindow;

#[test]
fn a_number_out_of_its_bounds_names_the_setter_the_value_and_the_bound() {
    let circuit = || Circuit::builder("upstream");
    for (builder, message) in [
        (circuit().count_window(0), "`count_window` is 0; it must be from 1 to 65536"),
        (
            circuit().time_window(Duration::ZERO),
            "`time_window` is 0ns; it must be at least 1ns for each of the 10 buckets",
        ),
        (circuit().time_window_with_buckets(SECOND, 0), "`buckets` is 0; it must be from 1 to 65536"),
        (circuit().failure_ratio(0.0), "`failure_ratio` is 0.0; it must be above 0 and at most 1"),
        (circuit().failure_ratio(1.1), "`failure_ratio` is 1.1; it must be above 0 and at most 1"),
        (circuit().failure_ratio(f64::NAN), "`failure_ratio` is NaN; it must be above 0 and at most 1"),
        (circuit().minimum_calls(0), "`minimum_calls` is 0; it must be from 1 to 100"),
        (circuit().count_window(5).minimum_calls(6), "`minimum_calls` is 6; it must be from 1 to 5"),
        (circuit().slow_calls(Duration::ZERO, 0.5), "`slow_calls threshold` is 0ns; it must be longer than zero"),
        (circuit().slow_calls(SECOND, -0.5), "`slow_calls ratio` is -0.5; it must be above 0 and at most 1"),
        (circuit().open_for(Duration::ZERO), "`open_for` is 0ns; it must be longer than zero"),
        (
            circuit().open_for(Backoff::exponential(SECOND).factor(0.5)),
            "`factor` is 0.5; it must be finite and at least 1",
        ),
        (circuit().probes(0), "`probes` is 0; it must be from 1 to 1000"),
        (circuit().probes(1_001), "`probes` is 1001; it must be from 1 to 1000"),
        (circuit().count_window(65_537), "`count_window` is 65537; it must be from 1 to 65536"),
        (circuit().time_window_with_buckets(SECOND, 65_537), "`buckets` is 65537; it must be from 1 to 65536"),
        (circuit().time_window(SECOND).minimum_calls(0), "`minimum_calls` is 0; it must be at least 1"),
        (circuit().abandoned_after(Duration::ZERO), "`abandoned_after` is 0ns; it must be longer than zero"),
        (circuit().recover_over(Duration::ZERO), "`recover_over` is 0ns; it must be longer than zero"),
        (circuit().probe_timeout(Duration::ZERO), "`probe_timeout` is 0ns; it must be longer than zero"),
    ] {
        assert_eq!(builder.build().unwrap_err().to_string(), format!("circuit `upstream`: {message}"));
    }
}

#[tokio::test(start_paused = true)]
async fn numbers_at_their_bounds_are_taken() {
    let most = CountWindow::MAX_CALLS;
    let smallest = two_strikes().count_window(1).minimum_calls(1).failure_ratio(f64::MIN_POSITIVE);
    let smallest = smallest.slow_calls(NANOSECOND, 1.0).open_for(NANOSECOND).probe_timeout(NANOSECOND);
    let circuit = smallest.build().unwrap();
    fail(&circuit);
    assert_eq!(rejected(&circuit), Some(NANOSECOND));
    assert!(two_strikes().count_window(most).minimum_calls(most).probes(1_000).build().is_ok());
    assert!(two_strikes().time_window(SECOND).minimum_calls(usize::MAX).build().is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_defaults_are_those_on_the_builder() {
    let circuit = Circuit::builder("upstream").build().unwrap();
    for calls in 1..20 {
        fail(&circuit);
        assert_eq!(circuit.snapshot().tally.calls, calls);
    }
    assert_eq!(circuit.state(), State::Closed, "judged from 20 calls on");
    fail(&circuit);
    assert_eq!(rejected(&circuit), Some(30 * SECOND));
    advance(30 * SECOND).await;
    let probes: Vec<_> = (0..5).map(|_| admitted(&circuit)).collect();
    assert_eq!(rejected(&circuit), None, "5 probes");
    advance(30 * SECOND + NANOSECOND).await;
    assert_eq!(rejected(&circuit), Some((30 * SECOND).saturating_sub(NANOSECOND)), "a probe has 30 seconds");
    drop(probes);

    let circuit = Circuit::builder("upstream").build().unwrap();
    for _ in 0..150 {
        succeed(&circuit);
    }
    for failures in 1..50 {
        fail(&circuit);
        assert_eq!(circuit.snapshot().tally, tally(100, failures, 0), "the last 100 calls");
    }
    assert_eq!(circuit.state(), State::Closed);
    fail(&circuit);
    assert_eq!(circuit.state(), State::Open, "half of them");
}

#[tokio::test(start_paused = true)]
async fn a_small_count_window_is_judged_once_it_is_full() {
    let circuit = Circuit::builder("upstream").count_window(3).build().unwrap();
    fail(&circuit);
    fail(&circuit);
    assert_eq!(circuit.state(), State::Closed);
    fail(&circuit);
    assert_eq!(circuit.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn debug_and_display_tell_who_and_what_and_nothing_internal() {
    let circuit = two_strikes().build().unwrap();
    assert_eq!(circuit.name(), "upstream");
    assert_eq!(format!("{circuit:?}"), r#"Circuit { name: "upstream", state: Closed, .. }"#);
    assert!(format!("{:?}", admitted(&circuit)).starts_with("Permit {"));
    trip(&circuit);
    assert_eq!(
        format!("{:?}", circuit.snapshot()),
        r#"Snapshot { name: "upstream", state: Open, tally: Tally { calls: 2, failures: 2, slow: 0 }, cause: None }"#
    );
    assert_eq!(circuit.acquire().unwrap_err().to_string(), "circuit `upstream` is open");

    let states = [
        (State::Closed, "closed"),
        (State::Open, "open"),
        (State::HalfOpen, "half_open"),
        (State::Recovering, "recovering"),
        (State::ForcedOpen, "forced_open"),
        (State::ForcedClosed, "forced_closed"),
        (State::ObserveOnly, "observe_only"),
    ];
    for (state, name) in states {
        assert_eq!((state.as_str(), format!("{state:>13}")), (name, format!("{name:>13}")));
    }
}
