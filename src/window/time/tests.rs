use proptest::prelude::*;

use super::*;

const MONTH: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Keeps every call with its time, and knows nothing of rings: a call counts while fewer than `buckets` edges lie
/// between it and now.
struct Model {
    calls: Vec<(Duration, Outcome)>,
    duration: Duration,
    buckets: u128,
}

impl Model {
    fn edges_until(&self, elapsed: Duration) -> u128 {
        elapsed.as_nanos() * self.buckets / self.duration.as_nanos()
    }

    fn tally(&self, now: Duration) -> Tally {
        let mut tally = Tally::default();
        for &(at, outcome) in &self.calls {
            if self.edges_until(now) - self.edges_until(at) < self.buckets {
                tally.add(outcome);
            }
        }
        tally
    }
}

#[derive(Debug, Clone)]
enum Step {
    Record(Outcome),
    Advance(Duration),
    /// A whole number of buckets, and a nanosecond less or more: the edges.
    AdvanceBuckets(u32, i8),
    Clear,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        40 => (any::<bool>(), any::<bool>()).prop_map(|(failed, slow)| Step::Record(Outcome { failed, slow })),
        20 => (0_u64..2_000_000_000).prop_map(|nanos| Step::Advance(Duration::from_nanos(nanos))),
        5 => (0_u64..100).prop_map(|nanos| Step::Advance(Duration::from_nanos(nanos))),
        20 => (0_u32..15, -1_i8..=1).prop_map(|(buckets, off)| Step::AdvanceBuckets(buckets, off)),
        1 => (1_u32..20).prop_map(|months| Step::Advance(MONTH * months)),
        1 => Just(Step::Clear),
    ]
}

proptest! {
    #[test]
    fn agrees_with_a_list_of_calls_step_by_step(
        nanos in prop_oneof![20_u64..200, 1_000_000_000_u64..20_000_000_000],
        buckets in 1_usize..20,
        steps in prop::collection::vec(step(), 0..300),
    ) {
        let duration = Duration::from_nanos(nanos);
        let origin = Instant::now();
        let mut window = TimeWindow::last(duration, buckets).unwrap();
        let mut model = Model { calls: Vec::new(), duration, buckets: buckets as u128 };
        let mut now = Duration::ZERO;
        // What the window was last told. It outlives a clearing: time does not run backwards.
        let mut told = Duration::ZERO;
        prop_assert_eq!(window.tally(origin), Tally::default());
        for step in steps {
            match step {
                Step::Record(outcome) => {
                    told = now;
                    model.calls.push((now, outcome));
                    prop_assert_eq!(window.record(outcome, origin + now), model.tally(now));
                }
                Step::Advance(by) => now += by,
                Step::AdvanceBuckets(count, off) => {
                    now += duration / u32::try_from(buckets).unwrap() * count;
                    now = if off < 0 { now.saturating_sub(Duration::from_nanos(1)) } else { now };
                    now += Duration::from_nanos(u64::from(off > 0));
                    now = now.max(told);
                }
                Step::Clear => {
                    window.clear();
                    model.calls.clear();
                }
            }
            // Looked at on a copy, so that a later step has to catch up by itself.
            prop_assert_eq!(window.clone().tally(origin + now), model.tally(now));
        }
    }

    /// The promise of the documentation, without buckets in the model.
    #[test]
    fn a_call_counts_for_at_least_the_duration_less_a_bucket_and_never_longer(
        nanos in prop_oneof![20_u64..200, 1_000_000_000_u64..20_000_000_000],
        buckets in 1_u32..20,
        at in 0_u64..100_000_000_000,
        age in 0.0_f64..1.2,
    ) {
        let duration = Duration::from_nanos(nanos);
        let origin = Instant::now();
        let mut window = TimeWindow::last(duration, buckets as usize).unwrap();
        window.tally(origin);
        let at = origin + Duration::from_nanos(at);
        window.record(Outcome::FAILURE, at);
        let age = duration.mul_f64(age);
        let calls = window.tally(at + age).calls;
        if age >= duration {
            prop_assert_eq!(calls, 0);
        }
        // In whole numbers: a bucket of 22 ns / 17, rounded to a nanosecond, is not what is promised.
        let buckets = u128::from(buckets);
        if age.as_nanos() * buckets <= duration.as_nanos() * (buckets - 1) {
            prop_assert_eq!(calls, 1);
        }
    }
}

#[test]
fn idling_does_not_shift_the_edges() {
    let origin = Instant::now();
    let second = Duration::from_secs(1);
    let mut window = TimeWindow::last(10 * second, 10).unwrap();
    window.tally(origin);
    // Late in the bucket 13.0..14.0, after idling. It leaves with its bucket, at 23.0, not at 23.9.
    window.record(Outcome::FAILURE, origin + Duration::from_millis(13_900));
    assert_eq!(window.tally(origin + Duration::from_millis(22_999)).failures, 1);
    assert_eq!(window.tally(origin + Duration::from_secs(23)).failures, 0);
}

/// Nothing is done between two edges; that they are where they should be cannot be seen in the tallies.
#[test]
fn it_moves_on_at_the_next_edge_and_not_before() {
    let origin = Instant::now();
    let at = |millis| origin + Duration::from_millis(millis);
    let mut window = TimeWindow::last(Duration::from_secs(15), 10).unwrap();
    for (now, edge) in [(0, 1_500), (1_499, 1_500), (1_500, 3_000), (20_000, 21_000), (1_000_000, 1_000_500)] {
        window.tally(at(now));
        assert_eq!(window.edge, Some(at(edge)));
    }
    // A third of ten nanoseconds: the edges are rounded up.
    let mut window = TimeWindow::last(Duration::from_nanos(10), 3).unwrap();
    for (now, edge) in [(0, 4), (4, 7), (7, 10), (10, 14)] {
        window.tally(origin + Duration::from_nanos(now));
        assert_eq!(window.edge, Some(origin + Duration::from_nanos(edge)));
    }
}

#[test]
fn a_window_of_any_length_survives_any_gap() {
    let now = Instant::now();
    let far = now.checked_add(Duration::from_secs(u64::MAX >> 2)).unwrap_or(now + MONTH * 1_000);
    for duration in [Duration::from_nanos(1), Duration::from_secs(1), Duration::MAX] {
        let mut window = TimeWindow::last(duration, 1).unwrap();
        window.record(Outcome::SUCCESS, now);
        let tally = window.record(Outcome::FAILURE, far);
        assert_eq!(tally.failures, 1);
        assert_eq!(tally.calls, if duration == Duration::MAX { 2 } else { 1 });
    }
}

#[test]
fn time_does_not_run_backwards() {
    let origin = Instant::now();
    let mut window = TimeWindow::last(Duration::from_secs(10), 10).unwrap();
    window.record(Outcome::FAILURE, origin + Duration::from_secs(5));
    assert_eq!(window.record(Outcome::SUCCESS, origin).calls, 2);
    assert_eq!(window.tally(origin + Duration::from_secs(15)).calls, 0);

    // Nor where the next edge is beyond the clock.
    let half = Duration::from_secs(1 << 62);
    let mut window = TimeWindow::last(half * 2, 2).unwrap();
    window.record(Outcome::FAILURE, origin);
    window.record(Outcome::FAILURE, origin.checked_add(half).unwrap_or(origin + MONTH * 1_000));
    assert_eq!(window.record(Outcome::SUCCESS, origin).calls, 3);
}

#[test]
fn a_window_without_buckets_or_without_time_is_an_error() {
    let second = Duration::from_secs(1);
    for (duration, buckets, message) in [
        (second, 0, "`buckets` is 0; it must be from 1 to 65536"),
        (second, 65_537, "`buckets` is 65537; it must be from 1 to 65536"),
        (Duration::ZERO, 10, "`time_window` is 0ns; it must be at least 1ns for each of the 10 buckets"),
        (Duration::from_nanos(9), 10, "`time_window` is 9ns; it must be at least 1ns for each of the 10 buckets"),
    ] {
        assert_eq!(TimeWindow::last(duration, buckets).unwrap_err().to_string(), message);
    }
    assert_eq!(TimeWindow::last(second, 10).unwrap().duration(), second);
}
