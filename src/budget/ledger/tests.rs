use proptest::prelude::*;

use super::*;

const SPAN: Duration = Duration::from_secs(10);

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Keeps the moments of all requests, with how many came at a time, and of all retries that were paid for.
#[derive(Default)]
struct Model {
    requests: Vec<(Duration, u32)>,
    retries: Vec<(Duration, u32)>,
}

/// Those in `(to - length, to]`.
fn within(times: &[(Duration, u32)], to: Duration, length: Duration) -> f64 {
    let inside = times.iter().filter(|(time, _)| *time <= to && *time + length > to);
    f64::from(inside.map(|(_, count)| count).sum::<u32>())
}

#[derive(Debug, Clone)]
enum Step {
    Requests(u32),
    /// A number of retries, as far as they are paid for.
    Retries(u32),
    Advance(Duration),
    /// A number of whole buckets, from a nanosecond less to one more: the edges.
    AdvanceBuckets(u64, u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_u32..150).prop_map(Step::Requests),
        4 => (1_u32..40).prop_map(Step::Retries),
        2 => (0_u64..3_000).prop_map(|by| Step::Advance(millis(by))),
        2 => (0_u64..24, 0_u64..3).prop_map(|(buckets, nanos)| Step::AdvanceBuckets(buckets, nanos)),
    ]
}

fn next(now: Duration, step: &Step) -> Duration {
    match step {
        Step::Advance(by) => now + *by,
        Step::AdvanceBuckets(buckets, nanos) => {
            let edge = WIDTH * u32::try_from(bucket_at(now) + buckets).unwrap();
            (edge + Duration::from_nanos(*nanos)).saturating_sub(Duration::from_nanos(1)).max(now)
        }
        Step::Requests(_) | Step::Retries(_) => now,
    }
}

proptest! {
    #[test]
    fn it_is_never_too_generous_and_never_more_careful_than_half_a_second(
        ratio in prop_oneof![Just(0.2), Just(1.0), 0.001..1.0],
        floor in 0_u32..20,
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let (mut ledger, mut model, mut now) = (Ledger::new(), Model::default(), Duration::ZERO);
        for step in &steps {
            now = next(now, step);
            let bucket = ledger.advance(bucket_at(now));
            match step {
                Step::Requests(requests) => {
                    ledger.add_requests(bucket, u64::from(*requests));
                    model.requests.push((now, *requests));
                }
                Step::Retries(retries) => for _ in 0..*retries {
                    let bound = |less, more| {
                        let requests = within(&model.requests, now, SPAN - less);
                        let retries = within(&model.retries, now, SPAN + more);
                        ratio * requests + f64::from(floor) - retries - 1.0
                    };
                    let (remaining, refused) = (ledger.remaining(ratio, floor), ledger.refused());
                    let paid = ledger.withdraw(ratio, floor);
                    // To a rounding of the product.
                    prop_assert!(!paid || bound(Duration::ZERO, Duration::ZERO) > -1e-9);
                    prop_assert!(paid || bound(WIDTH, WIDTH) < 1e-9);
                    prop_assert_eq!(paid, remaining > 0);
                    prop_assert_eq!(ledger.refused() - refused, u64::from(!paid));
                    if paid {
                        prop_assert_eq!(ledger.remaining(ratio, floor), remaining - 1);
                        model.retries.push((now, 1));
                    }
                },
                Step::Advance(_) | Step::AdvanceBuckets(..) => {}
            }
            let drawn_on = |length| within(&model.retries, now, length) > 0.0;
            prop_assert!(ledger.is_drawn_on() || !drawn_on(SPAN));
            prop_assert!(!ledger.is_drawn_on() || drawn_on(SPAN + WIDTH));
        }
        // The promise holds wherever the ten seconds begin: between any two events nothing changes.
        let events = model.requests.iter().chain(&model.retries).map(|(time, _)| *time);
        for event in events.collect::<Vec<_>>() {
            for to in [event, event + SPAN - Duration::from_nanos(1), event + SPAN] {
                let retries = within(&model.retries, to, SPAN);
                let requests = within(&model.requests, to, SPAN * 2);
                prop_assert!(retries <= ratio * requests + f64::from(floor) + 1e-9, "until {to:?}: {retries} of {requests}");
            }
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// At a steady load the promise is that of the same ten seconds, at every offset, also if retries are asked for only
    /// now and then: a budget that forgets a part of the ten seconds too early allows nearly twice as many.
    #[test]
    fn at_a_steady_load_retries_stay_below_the_ratio_at_every_offset(
        every in 10_u64..200,
        storms in prop::collection::vec((0_u64..60_000, 1_u64..2_000), 1..12),
    ) {
        let (ratio, floor) = (0.2, 10);
        let (mut ledger, mut model) = (Ledger::new(), Model::default());
        for now in (0..70_000).step_by(usize::try_from(every).unwrap()) {
            let at = millis(now);
            let bucket = ledger.advance(bucket_at(at));
            ledger.add_requests(bucket, 1);
            model.requests.push((at, 1));
            if storms.iter().any(|&(start, length)| (start..start + length).contains(&now)) {
                for _ in 0..20 {
                    if ledger.withdraw(ratio, floor) {
                        model.retries.push((at, 1));
                    }
                }
            }
        }
        for to in (10_000..70_000).step_by(197) {
            let retries = within(&model.retries, millis(to), SPAN);
            // One request may come right after the ten seconds.
            let requests = within(&model.requests, millis(to), SPAN) + 1.0;
            prop_assert!(retries <= ratio * requests + f64::from(floor), "until {to}: {retries} of {requests}");
        }
    }
}

#[test]
fn what_is_told_late_counts_as_old_as_it_is() {
    let mut ledger = Ledger::new();
    ledger.advance(30);
    ledger.add_requests(11, 100);
    assert_eq!(ledger.remaining(0.1, 0), 10);
    ledger.add_requests(10, 100);
    assert_eq!(ledger.remaining(0.1, 0), 10);
    ledger.advance(31);
    assert_eq!(ledger.remaining(0.1, 0), 0);
}

#[test]
fn a_thread_that_is_behind_does_not_move_it_back() {
    let mut ledger = Ledger::new();
    assert_eq!(ledger.advance(30), 30);
    assert_eq!(ledger.advance(3), 30);
}

#[test]
fn idle_for_30_days_is_as_quick_as_idle_for_a_second() {
    let mut ledger = Ledger::new();
    ledger.add_requests(0, 100);
    assert!(ledger.withdraw(0.1, 0));
    ledger.advance(bucket_at(Duration::from_secs(30 * 24 * 60 * 60)));
    assert_eq!(ledger.remaining(0.1, 3), 3);
    ledger.advance(bucket_at(Duration::MAX));
    assert_eq!(ledger.remaining(0.1, 3), 3);
}
