//! Which fault comes next: first those of a script, then by rates. No lock, no clock.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::SmallRng;

use super::fault::Fault;
use crate::config::InvalidConfig;

/// `0.7 + 0.2 + 0.1` is not 1, and may be more.
const ROUNDING: f64 = 1e-9;

/// How often each fault is drawn.
#[derive(Debug, Clone)]
pub(super) struct Rates {
    pub(super) fail: f64,
    pub(super) delay: f64,
    pub(super) delays: RangeInclusive<Duration>,
    pub(super) hang: f64,
    pub(super) lose_response: f64,
}

impl Rates {
    pub(super) const NONE: Self =
        Self { fail: 0.0, delay: 0.0, delays: Duration::ZERO..=Duration::ZERO, hang: 0.0, lose_response: 0.0 };

    pub(super) fn check(&self) -> Result<(), InvalidConfig> {
        let rates =
            [("fail", self.fail), ("delay", self.delay), ("hang", self.hang), ("lose_response", self.lose_response)];
        for (field, rate) in rates {
            if !(0.0..=1.0).contains(&rate) {
                return Err(InvalidConfig::new(field, rate, "from 0 to 1"));
            }
        }
        let sum: f64 = rates.iter().map(|(_, rate)| rate).sum();
        if sum > 1.0 + ROUNDING {
            return Err(InvalidConfig::new("rates", sum, "at most 1, all of them together"));
        }
        if self.delays.is_empty() {
            return Err(InvalidConfig::new("delay", &self.delays, "a range whose end is not before its start"));
        }
        Ok(())
    }
}

#[derive(Debug)]
pub(super) struct Dice {
    script: VecDeque<Fault>,
    rates: Rates,
    rng: SmallRng,
}

impl Dice {
    pub(super) const fn new(script: VecDeque<Fault>, rates: Rates, rng: SmallRng) -> Self {
        Self { script, rates, rng }
    }

    /// What happens to the next request.
    pub(super) fn next(&mut self) -> Fault {
        self.script.pop_front().unwrap_or_else(|| self.draw())
    }

    fn draw(&mut self) -> Fault {
        let Rates { fail, delay, hang, lose_response, .. } = self.rates;
        let drawn: f64 = self.rng.random();
        if drawn < fail {
            Fault::Fail
        } else if drawn < fail + delay {
            Fault::Delay(self.draw_delay())
        } else if drawn < fail + delay + hang {
            Fault::Hang
        } else if drawn < fail + delay + hang + lose_response {
            Fault::LoseResponse
        } else {
            Fault::Ok
        }
    }

    fn draw_delay(&mut self) -> Duration {
        let nanos = |delay: &Duration| u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX);
        let (start, end) = (nanos(self.rates.delays.start()), nanos(self.rates.delays.end()));
        Duration::from_nanos(self.rng.random_range(start..=end))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng as _;

    use super::*;

    const DRAWS: usize = 5_000;

    fn dice(rates: Rates, seed: u64) -> Dice {
        Dice::new(VecDeque::new(), rates, SmallRng::seed_from_u64(seed))
    }

    /// How many of `faults` are of the kind of `fault`.
    fn count(faults: &[Fault], fault: Fault) -> f64 {
        faults.iter().filter(|drawn| std::mem::discriminant(*drawn) == std::mem::discriminant(&fault)).count() as f64
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn each_fault_comes_as_often_as_its_rate_says(shares in prop::array::uniform5(0.0..1.0_f64), seed: u64) {
            let sum: f64 = shares.iter().sum::<f64>().max(0.01);
            let [fail, delay, hang, lose_response, ok] = shares.map(|share| share / sum);
            let delays = Duration::from_millis(5)..=Duration::from_millis(9);
            let rates = Rates { fail, delay, delays: delays.clone(), hang, lose_response };
            prop_assert_eq!(rates.check(), Ok(()));
            let mut dice = dice(rates, seed);
            let faults: Vec<_> = (0..DRAWS).map(|_| dice.next()).collect();
            for (fault, rate) in [
                (Fault::Fail, fail),
                (Fault::Delay(Duration::ZERO), delay),
                (Fault::Hang, hang),
                (Fault::LoseResponse, lose_response),
                (Fault::Ok, ok),
            ] {
                let draws = DRAWS as f64;
                let off = (count(&faults, fault) - draws * rate).abs();
                // Six standard deviations.
                prop_assert!(off <= 6.0 * (draws * rate * (1.0 - rate)).sqrt() + 1.0, "{fault:?}: {off} off");
            }
            let are_within = faults.iter().all(|fault| !matches!(fault, Fault::Delay(delay) if !delays.contains(delay)));
            prop_assert!(are_within);
        }

        #[test]
        fn the_same_seed_draws_the_same_faults(seed: u64) {
            let rates = Rates { fail: 0.2, delay: 0.2, delays: Duration::ZERO..=Duration::MAX, hang: 0.2, lose_response: 0.2 };
            let faults = |seed| {
                let mut dice = dice(rates.clone(), seed);
                (0..100).map(|_| dice.next()).collect::<Vec<_>>()
            };
            prop_assert_eq!(faults(seed), faults(seed));
            prop_assert_ne!(faults(seed), faults(seed.wrapping_add(1)));
        }
    }

    /// Also where the sum of numbers that add up to 1 is more than 1, as that of 0.2, 0.4, 0.3 and 0.1 is.
    #[test]
    fn tenths_are_valid_if_they_are_at_most_ten() {
        let tenths = || (0..=10_u8).map(|tenths| (tenths, f64::from(tenths) / 10.0));
        for (fail_tenths, fail) in tenths() {
            for (delay_tenths, delay) in tenths() {
                for (hang_tenths, hang) in tenths() {
                    for (lose_tenths, lose_response) in tenths() {
                        let rates = Rates { fail, delay, hang, lose_response, ..Rates::NONE };
                        let sum = fail_tenths + delay_tenths + hang_tenths + lose_tenths;
                        assert_eq!(rates.check().is_ok(), sum <= 10, "{rates:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn delays_are_drawn_from_all_of_their_range() {
        let (start, end) = (Duration::from_millis(5), Duration::from_millis(9));
        let mut dice = dice(Rates { delay: 1.0, delays: start..=end, ..Rates::NONE }, 7);
        let delays: Vec<_> = (0..DRAWS)
            .map(|_| match dice.next() {
                Fault::Delay(delay) => delay,
                other => panic!("{other:?}"),
            })
            .collect();
        let (shortest, longest) = (delays.iter().min().unwrap(), delays.iter().max().unwrap());
        let near = Duration::from_micros(10);
        assert!(*shortest < start + near && *longest > end - near, "from {shortest:?} to {longest:?}");
    }

    #[test]
    fn a_rate_of_one_is_always_and_of_zero_never() {
        let mut dice = dice(Rates { hang: 1.0, ..Rates::NONE }, 7);
        assert!((0..DRAWS).all(|_| dice.next() == Fault::Hang));
        let mut none = Dice::new([Fault::LoseResponse].into(), Rates::NONE, SmallRng::seed_from_u64(7));
        assert_eq!(none.next(), Fault::LoseResponse, "the script comes first");
        assert!((0..DRAWS).all(|_| none.next() == Fault::Ok));
    }
}
