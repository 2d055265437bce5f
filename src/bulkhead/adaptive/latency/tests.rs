use proptest::prelude::*;

use super::*;

/// How much each of `count` windows weighs: the last of `n` weighs a twentieth, or an `n`-th if that is more, and leaves the
/// rest to those before it.
fn shares(count: usize) -> Vec<f64> {
    let weight = |n: usize| (1.0 / n as f64).max(0.05);
    (1..=count).map(|n| weight(n) * (n + 1..=count).map(|later| 1.0 - weight(later)).product::<f64>()).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().zip(shares(values.len())).map(|(value, share)| value * share).sum()
}

fn assert_near(one: f64, other: f64) {
    assert!((one - other).abs() <= 1e-9 * other.abs().max(1e-3), "{one} and not {other}");
}

proptest! {
    /// The mean and the deviation are made anew from the list of all windows each time.
    #[test]
    fn late_is_what_a_list_of_windows_says(times in prop::collection::vec(0.05..0.2_f64, 1..60)) {
        let mut latency = Latency::default();
        let mut list: Vec<f64> = Vec::new();
        for time in times {
            let differences: Vec<_> = list.windows(2).map(|pair| (pair[1] - pair[0]).powi(2) / 2.0).collect();
            let usual = mean(&list);
            let deviation = mean(&differences).sqrt().max(0.01 * usual);
            let bound = usual + 2.5 * deviation;
            prop_assert!(!latency.is_late(bound * 0.999_999));
            prop_assert_eq!(latency.is_late(bound * 1.000_001), list.len() >= 10);
            if !latency.is_late(time) {
                latency.learn(time, 10.0, false, true);
                list.push(time);
                prop_assert_eq!(latency.advise(mean(&list), true), Advice::Grow);
                prop_assert_eq!(latency.advise(mean(&list) * 1.000_01, true), Advice::Hold);
            }
        }
    }

    /// Two passes over the list of all windows.
    #[test]
    fn the_growth_is_the_regression_of_a_list(windows in prop::collection::vec((0.0..5.0_f64, -3.0..3.0_f64), 1..60)) {
        let (mut growth, mut limits, mut times) = (Growth::default(), Vec::new(), Vec::new());
        for (limit, time) in windows {
            growth.learn(limit, time);
            limits.push(limit);
            times.push(time);
            let (by_limit, by_time) = (mean(&limits), mean(&times));
            let squares: Vec<_> = limits.iter().map(|limit| (limit - by_limit).powi(2)).collect();
            let products: Vec<_> =
                limits.iter().zip(&times).map(|(limit, time)| (limit - by_limit) * (time - by_time)).collect();
            assert_near(growth.spread, mean(&squares));
            assert_near(growth.covariance, mean(&products));
        }
    }
}

/// One that has seen 20 windows of a second at a limit of 100.
fn used_to_a_second() -> Latency {
    let mut latency = Latency::default();
    for _ in 0..20 {
        latency.learn(1.0, 100.0, false, true);
    }
    latency
}

/// After how many of these windows what is usual is learned anew.
fn endured(mut latency: Latency, windows: &[(f64, f64)], can_shrink: bool) -> Option<usize> {
    windows.iter().position(|&(time, limit)| {
        assert!(latency.is_late(time), "{time}");
        latency.learn(time, limit, false, can_shrink);
        !latency.is_late(time)
    })
}

#[test]
fn as_late_as_the_bound_is_not_late() {
    let (latency, bound) = (used_to_a_second(), DEVIATIONS.mul_add(LEAST_DEVIATION, 1.0));
    assert!(!latency.is_late(bound) && latency.is_late(bound.next_up()));
}

#[test]
fn an_upstream_that_does_not_get_faster_with_a_smaller_limit_is_usual_after_four_windows() {
    let slower = [(2.0, 90.0), (2.0, 81.0), (2.0, 73.0), (2.0, 66.0), (2.0, 60.0)];
    assert_eq!(endured(used_to_a_second(), &slower, true), Some(3));
    let mut latency = used_to_a_second();
    for (time, limit) in &slower[..4] {
        latency.learn(*time, *limit, false, true);
    }
    assert!((latency.mean - 2.0).abs() < 1e-9 && !latency.is_late(100.0), "what is usual is not known yet");
}

#[test]
fn one_that_gets_faster_by_half_of_what_a_queue_would_is_late_as_before() {
    // The fourth is compared with the first: a limit that is smaller by 40 %.
    let with_time = |last| [(2.0, 100.0), (2.0, 90.0), (2.0, 80.0), (last, 60.0)];
    assert_eq!(endured(used_to_a_second(), &with_time(1.2), true), None, "a full queue");
    assert_eq!(endured(used_to_a_second(), &with_time(1.59), true), None);
    assert_eq!(endured(used_to_a_second(), &with_time(1.61), true), Some(3));
    assert_eq!(endured(used_to_a_second(), &with_time(1.2), false), Some(3), "the limit cannot shrink");
}

#[test]
fn late_windows_are_counted_from_the_last_that_was_worse_by_a_tenth() {
    let as_late = |second| [(2.0, 100.0), (second, 90.0), (2.0, 80.0), (2.0, 70.0), (2.0, 60.0), (2.0, 50.0)];
    assert_eq!(endured(used_to_a_second(), &as_late(2.19), true), Some(3));
    // From the second on: times fell from 2.21, but by too little.
    assert_eq!(endured(used_to_a_second(), &as_late(2.21), true), Some(4));
}

#[test]
fn late_windows_are_counted_in_a_row() {
    let mut latency = used_to_a_second();
    for _ in 0..3 {
        for _ in 0..3 {
            latency.learn(2.0, 100.0, false, true);
        }
        assert!(latency.is_late(2.0));
        latency.learn(1.0, 100.0, false, true);
    }
}

/// A growth that has seen limits from 10 to 19, with times that are their power.
fn growth(exponent: f64) -> Growth {
    let mut growth = Growth::default();
    for limit in 10..20 {
        growth.learn(f64::from(limit).ln(), exponent * f64::from(limit).ln());
    }
    growth
}

#[test]
fn times_that_grow_with_the_limit_hold_it() {
    assert!(growth(1.0).holds() && growth(0.51).holds());
    assert!(Growth { spread: 1.0, covariance: GROWING, ..Growth::default() }.holds());
    assert!(!growth(0.49).holds() && !growth(0.0).holds() && !growth(-1.0).holds());
}

#[test]
fn limits_that_hardly_differ_say_nothing() {
    let with_spread = |spread| Growth { spread, covariance: spread, ..Growth::default() };
    assert!(!Growth::default().holds() && !with_spread(LEAST_SPREAD * 0.999).holds());
    assert!(with_spread(LEAST_SPREAD).holds());
}

#[test]
fn a_limit_with_which_times_grow_shrinks_at_each_eighth_window_in_a_row() {
    let mut shrinking = growth(1.0);
    let shrinks: Vec<_> = (1..=24).filter(|_| shrinking.endure(true) == Advice::Shrink).collect();
    assert_eq!(shrinks, [8, 16, 24]);
    let mut growth = growth(1.0);
    for _ in 0..10 {
        let covariance = growth.covariance;
        assert!((0..7).all(|_| growth.holds() && growth.endure(true) == Advice::Hold));
        growth.covariance = 0.0;
        assert!(!growth.holds());
        growth.covariance = covariance;
    }
}

#[test]
fn what_times_showed_of_a_limit_that_cannot_shrink_is_forgotten_after_eight_windows() {
    let mut growth = growth(1.0);
    assert!((0..8).all(|_| growth.holds() && growth.endure(false) == Advice::Hold));
    assert!(!growth.holds());
}

#[test]
fn only_windows_in_which_the_limit_was_reached_say_whether_times_grow_with_it() {
    for was_reached in [true, false] {
        let mut latency = Latency::default();
        for limit in 10..20 {
            latency.learn(f64::from(limit), f64::from(limit), was_reached, true);
        }
        assert_eq!(latency.advise(1.0, true) == Advice::Grow, !was_reached);
    }
}
