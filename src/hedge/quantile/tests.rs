use proptest::prelude::*;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

use super::*;

/// The attempts in a list, from which each estimate is made anew.
#[derive(Default)]
struct Model(Vec<(usize, bool)>);

impl Model {
    fn record(&mut self, lasted: Lasted) {
        let (duration, is_exact) = match lasted {
            Lasted::Exactly(duration) => (duration, true),
            Lasted::AtLeast(duration) => (duration, false),
        };
        self.0.push((bucket_of(duration.as_micros() as u64), is_exact));
    }

    /// The weights of those that end in each bucket, in their order: each attempt has the same weight, and one that was
    /// dropped hands its own on to all that were seen for longer, in equal parts.
    fn weights(&self) -> Vec<(usize, f64)> {
        let mut last: Vec<_> = self.0[self.0.len().saturating_sub(REMEMBERED)..].to_vec();
        last.sort_by_key(|(bucket, is_exact)| (*bucket, !is_exact));
        let mut weights = vec![1.0 / last.len() as f64; last.len()];
        for place in 0..last.len() {
            let longer = last.len() - place - 1;
            if !last[place].1 && longer > 0 {
                let part = std::mem::take(&mut weights[place]) / longer as f64;
                weights[place + 1..].iter_mut().for_each(|weight| *weight += part);
            }
        }
        last.iter()
            .zip(weights)
            .filter(|((_, is_exact), _)| *is_exact)
            .map(|((bucket, _), weight)| (*bucket, weight))
            .collect()
    }

    /// The share of the attempts that is still under way when `duration` has passed.
    fn left_after(&self, duration: Duration) -> f64 {
        1.0 - self
            .weights()
            .iter()
            .filter(|(bucket, _)| upper_edge(*bucket) <= duration)
            .map(|(_, weight)| weight)
            .sum::<f64>()
    }

    fn longest(&self) -> Duration {
        let last = &self.0[self.0.len().saturating_sub(REMEMBERED)..];
        upper_edge(last.iter().map(|(bucket, _)| *bucket).max().unwrap_or_default())
    }
}

fn lasted() -> impl Strategy<Value = Lasted> {
    let micros = prop_oneof![0..100_u64, 0..100_000_u64, any::<u64>()];
    (micros, prop::bool::weighted(0.8)).prop_map(|(micros, is_exact)| {
        let duration = Duration::from_micros(micros);
        if is_exact { Lasted::Exactly(duration) } else { Lasted::AtLeast(duration) }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn it_agrees_with_a_list_of_attempts(
        attempts in prop::collection::vec(lasted(), 0..1_500),
        share in 0.001..0.5_f64,
    ) {
        let (mut quantile, mut model) = (Quantile::new(), Model::default());
        for (number, lasted) in attempts.into_iter().enumerate() {
            quantile.record(lasted);
            model.record(lasted);
            if number % 97 != 0 && number != 99 {
                continue;
            }
            let Some(Estimate { delay, median }) = quantile.estimate(share) else {
                prop_assert!(number < 99);
                continue;
            };
            prop_assert!(number >= 99);
            for (share, delay) in [(share, delay), (0.5, median)] {
                let left = model.left_after(delay);
                prop_assert!(left <= share + 1e-6 || delay == model.longest(), "{left} are left after {delay:?}");
                let before = model.left_after(delay.saturating_sub(Duration::from_nanos(1)));
                prop_assert!(before > share - 1e-6, "{before} are left before {delay:?}");
            }
        }
    }

    #[test]
    fn a_bucket_holds_its_durations_and_is_narrow(micros in prop_oneof![0..200_u64, 0..=LONGEST]) {
        let bucket = bucket_of(micros);
        let (duration, upper) = (Duration::from_micros(micros), upper_edge(bucket));
        prop_assert!(upper > duration && bucket < BUCKETS);
        prop_assert!(bucket == 0 || upper_edge(bucket - 1) <= duration);
        prop_assert!(upper - duration <= (duration / 32).max(Duration::from_micros(1)));
    }
}

#[test]
fn the_longest_durations_share_the_last_bucket() {
    assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    let mut quantile = Quantile::new();
    for _ in 0..MINIMUM {
        quantile.record(Lasted::Exactly(Duration::MAX));
    }
    assert_eq!(quantile.estimate(0.5).unwrap().delay, Duration::from_micros(LONGEST + 1));
}

#[test]
fn two_of_a_hundred_are_under_way_after_the_delay_of_two_in_a_hundred() {
    let mut quantile = Quantile::new();
    for micros in 1..=100 {
        quantile.record(Lasted::Exactly(Duration::from_millis(micros)));
    }
    let Estimate { delay, median } = quantile.estimate(0.02).unwrap();
    assert!(delay > Duration::from_millis(98) && delay < Duration::from_millis(101), "{delay:?}");
    assert!(median > Duration::from_millis(50) && median < Duration::from_millis(52), "{median:?}");
}

#[test]
fn a_share_that_is_reached_exactly_is_reached() {
    let mut quantile = Quantile::new();
    for micros in 1..=98 {
        quantile.record(Lasted::Exactly(Duration::from_micros(micros)));
    }
    for _ in 0..2 {
        quantile.record(Lasted::Exactly(Duration::from_secs(1)));
    }
    // Of 98 factors, whose product is not exact.
    assert_eq!(quantile.estimate(0.02).unwrap().delay, Duration::from_micros(100));
    // Of one factor, whose product is.
    let mut quantile = Quantile::new();
    for number in 0..MINIMUM {
        quantile.record(Lasted::Exactly(if number % 2 == 0 { Duration::ZERO } else { Duration::from_secs(1) }));
    }
    assert_eq!(quantile.estimate(0.5).unwrap().delay, Duration::from_micros(1));
}

#[test]
fn an_estimate_is_due_with_the_hundredth_attempt_and_then_with_each_32nd() {
    let mut quantile = Quantile::new();
    let mut due = Vec::new();
    for number in 1..=200 {
        if quantile.record(Lasted::Exactly(Duration::from_millis(1))) {
            quantile.estimate(0.5);
            due.push(number);
        }
    }
    assert_eq!(due, [32, 64, 96, 100, 132, 164, 196]);
}

/// How the loser of a race enters the durations.
type Enter = fn(&mut Quantile, Duration);

/// The share of the requests that is hedged in the end, of 50,000 whose delay is always the latest estimate for `share`. One
/// in ten takes from 100 ms to 1 s, all others from 5 to 15 ms.
fn hedged_in_the_end(share: f64, enter_loser: Enter) -> f64 {
    let mut rng = SmallRng::seed_from_u64(7);
    let mut quantile = Quantile::new();
    let mut delay = Duration::MAX;
    let mut draw = || {
        Duration::from_micros(if rng.random_bool(0.1) {
            rng.random_range(100_000..1_000_000)
        } else {
            rng.random_range(5_000..15_000)
        })
    };
    let mut hedged = 0_u32;
    for number in 0..50_000 {
        let (first, hedge) = (draw(), draw());
        let is_hedged = first > delay;
        hedged += u32::from(is_hedged && number >= 40_000);
        match delay.checked_add(hedge) {
            Some(end) if is_hedged && end < first => enter_loser(&mut quantile, end),
            _ => _ = quantile.record(Lasted::Exactly(first)),
        }
        if let Some(estimate) = quantile.estimate(share) {
            delay = estimate.delay;
        }
    }
    f64::from(hedged) / 10_000.0
}

#[test]
fn the_delay_stays_where_losers_took_at_least_so_long_and_drifts_down_where_they_do_not() {
    let hedged = hedged_in_the_end(0.05, |quantile, end| _ = quantile.record(Lasted::AtLeast(end)));
    assert!(hedged > 0.035 && hedged < 0.065, "{hedged} of the requests are hedged");

    let left_out = hedged_in_the_end(0.05, |_, _| ());
    assert!(left_out > 0.085, "{left_out} of the requests are hedged where losers are left out");
}
