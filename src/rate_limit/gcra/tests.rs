use std::time::Duration;

use proptest::prelude::*;

use super::*;

/// All that has passed, and the rate as the fraction that was promised. It decides from the promise alone: something
/// passes if, with it, every span that ends now holds at most the burst and what comes back within the span.
struct Promise {
    count: u128,
    period: u128,
    burst: u128,
    passed: Vec<(Nanos, u32)>,
}

impl Promise {
    fn new(count: u64, period: u64, burst: u32) -> Self {
        Self { count: count.into(), period: period.into(), burst: burst.into(), passed: Vec::new() }
    }

    /// `burst + floor(w * rate)`.
    fn bound(&self, span: Nanos) -> u128 {
        self.burst + u128::from(span) * self.count / self.period
    }

    fn allows(&self, now: Nanos, cost: u32) -> bool {
        let mut sum = u128::from(cost);
        sum <= self.bound(0)
            && self.passed.iter().rev().all(|&(at, cost)| {
                sum += u128::from(cost);
                sum <= self.bound(now - at)
            })
    }
}

/// Pauses that are as often as not whole intervals, so that bounds are met exactly.
fn steps() -> impl Strategy<Value = Vec<(u64, u64, u32)>> {
    let pause = prop_oneof![3 => Just(0_u64), 3 => 1..4_u64, 1 => 4..40_u64];
    prop::collection::vec((pause, prop_oneof![2 => Just(0_u64), 1 => 0..1_000_u64], 1..6_u32), 1..120)
}

fn nanos_between(low: u64, high: u64) -> impl Strategy<Value = u64> {
    prop_oneof![low..=high, Just(low), Just(high), Just(1_000.clamp(low, high))]
}

proptest! {
    /// The rate is one in each interval, which is a whole number of nanoseconds: nothing is rounded, and the algorithm
    /// agrees with the promise in both directions.
    #[test]
    fn exactly_what_the_promise_allows_passes(
        interval in nanos_between(1, 30 * 86_400_000_000_000),
        burst in 1..12_u32,
        start in 0..1_000_000_000_000_u64,
        steps in steps(),
    ) {
        let gcra = Gcra::new(Rate::every(Duration::from_nanos(interval)).burst(burst).unwrap());
        let mut promise = Promise::new(1, interval, burst);
        let (mut tat, mut now) = (0, start);
        for (pause, shift, cost) in steps {
            now += pause * interval / 2 + shift % 3;
            match gcra.pass(tat, now, cost.into()) {
                Ok(next) => {
                    prop_assert!(promise.allows(now, cost), "{cost} passes at {now}");
                    promise.passed.push((now, cost));
                    tat = next;
                }
                Err(Refusal::Until(at)) => {
                    // Refused until exactly then.
                    prop_assert!(!promise.allows(now, cost), "{cost} is refused at {now}");
                    prop_assert!(at > now);
                    prop_assert!(!promise.allows(at - 1, cost) && promise.allows(at, cost));
                    prop_assert!(gcra.pass(tat, at - 1, cost.into()).is_err() && gcra.pass(tat, at, cost.into()).is_ok());
                }
                Err(Refusal::TooDear) => prop_assert!(cost > burst),
            }
            prop_assert_eq!(gcra.fits(cost), cost <= burst);
            let available = gcra.available(tat, now);
            for cost in 1..=burst {
                prop_assert_eq!(promise.allows(now, cost), cost <= available);
            }
        }
    }

    /// A rate whose interval is no whole number of nanoseconds: never more than promised, and what is refused is at
    /// most one nanosecond late for each unit of cost that passed since the burst was last full.
    #[test]
    fn a_rounded_interval_is_never_too_fast_and_at_most_a_nanosecond_too_slow(
        count in 1..=1_000_000_000_u64,
        burst in 1..12_u32,
        steps in steps(),
    ) {
        let gcra = Gcra::new(Rate::per_second(count).burst(burst).unwrap());
        let mut promise = Promise::new(count, 1_000_000_000, burst);
        let (mut tat, mut now, mut units) = (0, 0, 0_u64);
        for (pause, shift, cost) in steps {
            now += pause * gcra.interval / 2 + shift;
            units = if tat <= now { 0 } else { units };
            match gcra.pass(tat, now, cost.into()) {
                Ok(next) => {
                    prop_assert!(promise.allows(now, cost));
                    promise.passed.push((now, cost));
                    (tat, units) = (next, units + u64::from(cost));
                }
                Err(Refusal::Until(at)) => {
                    let slack = units + u64::from(cost);
                    prop_assert!(at.saturating_sub(slack + 1) <= now || !promise.allows(at - slack - 1, cost));
                }
                Err(Refusal::TooDear) => prop_assert!(cost > burst),
            }
        }
    }

    #[test]
    fn the_last_of_several_passes_when_they_pass_one_by_one(
        interval in 1..50_u64,
        burst in 1..8_u32,
        tat in 0..500_u64,
        from in 0..500_u64,
        costs in prop::collection::vec(1..8_u32, 1..20),
    ) {
        let gcra = Gcra { interval, refill: interval * u64::from(burst) };
        let tat = tat.min(from + gcra.refill);
        let costs: Vec<_> = costs.into_iter().map(|cost| cost.min(burst)).collect();
        let (mut step, mut at) = (tat, from);
        for &cost in &costs {
            step = loop {
                match gcra.pass(step, at, cost.into()) {
                    Ok(next) => break next,
                    Err(_) => at += 1,
                }
            };
        }
        let together = costs.iter().copied().map(u64::from).sum();
        prop_assert_eq!(gcra.last_of(tat, from, together), at);
    }

    #[test]
    fn a_new_rate_keeps_what_has_passed_and_not_come_back(
        (old, new) in (1..1_000_u64, 1..1_000_u64),
        burst in 1..20_u32,
        passed in 0..20_u32,
    ) {
        let gcra = |interval| Gcra { interval, refill: interval * u64::from(burst) };
        let (old, new, now) = (gcra(old), gcra(new), 1_000_000);
        let passed = passed.min(burst);
        let tat = now + old.price(passed.into());
        let tat = new.convert(old, tat, now);
        prop_assert_eq!(tat, now + new.price(passed.into()));
        prop_assert_eq!(new.available(tat, now), burst - passed);
    }

    #[test]
    fn lowered_to_some_exactly_they_are_left_and_it_never_raises(
        interval in 1..1_000_u64,
        burst in 1..20_u32,
        (passed, left) in (0..20_u32, 0..40_u32),
    ) {
        let gcra = Gcra { interval, refill: interval * u64::from(burst) };
        let (now, passed) = (1_000_000, passed.min(burst));
        let tat = now + gcra.price(passed.into());
        let lowered = gcra.lower(tat, now, left);
        prop_assert_eq!(gcra.available(lowered, now), left.min(burst - passed));
    }
}

#[test]
fn a_clock_that_steps_back_between_threads_does_not_let_more_pass() {
    let gcra = Gcra { interval: 10, refill: 20 };
    let tat = gcra.pass(0, 100, 2).unwrap();
    assert_eq!(gcra.pass(tat, 99, 1), Err(Refusal::Until(110)));
    assert_eq!(gcra.pass(tat, 109, 1), Err(Refusal::Until(110)));
    assert_eq!(gcra.pass(tat, 110, 1), Ok(130));
}

#[test]
fn the_extremes_neither_overflow_nor_panic() {
    let slowest = Gcra::new(Rate::every(Duration::from_secs(366 * 86_400)).burst(36).unwrap());
    let fastest = Gcra::new(Rate::per_second(1_000_000_000).burst(u32::MAX).unwrap());
    for gcra in [slowest, fastest] {
        assert!(gcra.refill <= NEVER / 2);
        for tat in [0, 1, NEVER] {
            for now in [0, 1, NEVER - 1, NEVER] {
                for cost in [0, 1, u32::MAX] {
                    let _ = (
                        gcra.pass(tat, now, cost.into()),
                        gcra.pass(tat, now, u64::MAX),
                        gcra.available(tat, now),
                        gcra.lower(tat, now, cost),
                    );
                    assert!(gcra.last_of(tat, now, u64::MAX) <= NEVER);
                    assert!(gcra.convert(slowest, tat, now).max(gcra.convert(fastest, tat, now)) <= NEVER);
                }
            }
        }
    }
    assert_eq!(slowest.pass(0, 0, 36), Ok(slowest.refill));
    assert_eq!(slowest.pass(slowest.refill, 0, 1), Err(Refusal::Until(slowest.interval)));
    assert_eq!(fastest.pass(0, 5, u32::MAX.into()), Ok(5 + u64::from(u32::MAX)));
}
