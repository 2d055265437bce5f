//! How long to wait before each further try.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, RngExt as _, SeedableRng as _};

use crate::config::{InvalidConfig, check_positive};

/// A growing wait, bounded, and spread at random so that many callers do not come back at the same moment.
///
/// Waits start with the first and grow by `factor` (default 2.0) up to `max` (default: no bound). The default
/// [`Jitter`] is [`Equal`](Jitter::Equal). A plain `Duration` converts into a wait that neither grows nor varies.
///
/// ```
/// use std::time::Duration;
/// use windbreak::backoff::{Backoff, Jitter};
///
/// let backoff = Backoff::exponential(Duration::from_millis(100))
///     .factor(2.0)
///     .max(Duration::from_secs(1))
///     .jitter(Jitter::None);
/// let millis: Vec<_> =
///     backoff.delays(7)?.map(|delay| delay.as_millis()).take(6).collect();
/// assert_eq!(millis, [100, 200, 400, 800, 1000, 1000]);
/// # Ok::<(), windbreak::InvalidConfig>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    factor: f64,
    jitter: Jitter,
}

/// How a wait is spread at random. Every kind keeps it at or below the maximum.
///
/// The names are those of Marc Brooker's "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015), which
/// compares them: `Full` makes the least work for a service that many callers contend for. `Equal` never returns at once:
/// where a service is gone for 200 ms of every 2.5 s, three attempts whose pauses start at 100 ms and double leave 0.1 % of
/// the requests without a good response, and with `Full` 2.7 % (in this crate's simulation).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Jitter {
    /// Anything from zero to the wait.
    Full,
    /// Half the wait, and anything from zero to the other half.
    #[default]
    Equal,
    /// Anything from the minimum to three times the wait before, whatever the factor, cut at the maximum.
    Decorrelated,
    /// The wait itself.
    None,
}

impl Backoff {
    /// Waits that start at `first` and double each time, before jitter: by default each is drawn from its upper half.
    #[must_use]
    pub const fn exponential(first: Duration) -> Self {
        Self { min: first, max: Duration::MAX, factor: 2.0, jitter: Jitter::Equal }
    }

    /// The same wait each time, which a factor does not change. Varied by [`Jitter::Equal`] unless that is changed.
    #[must_use]
    pub const fn constant(wait: Duration) -> Self {
        Self { min: wait, max: wait, factor: 1.0, jitter: Jitter::Equal }
    }

    /// Multiplies each wait by `factor`. Must be finite and at least 1. Default: 2.
    #[must_use]
    pub const fn factor(self, factor: f64) -> Self {
        Self { factor, ..self }
    }

    /// The longest wait. Must not be shorter than the first one. Default: no bound.
    #[must_use]
    pub const fn max(self, max: Duration) -> Self {
        Self { max, ..self }
    }

    /// How the waits are spread at random. Default: [`Jitter::Equal`].
    #[must_use]
    pub const fn jitter(self, jitter: Jitter) -> Self {
        Self { jitter, ..self }
    }

    /// The waits, one after the other, without end. The same seed gives the same waits.
    ///
    /// # Errors
    ///
    /// If the wait is zero, the factor is not finite or below 1, or the maximum is below the first wait.
    pub fn delays(self, seed: u64) -> Result<Delays, InvalidConfig> {
        self.validate_as("backoff")?;
        Ok(Delays { waits: Waits::default(), backoff: self, rng: SmallRng::seed_from_u64(seed) })
    }

    /// What is added to a wait that many callers were told, so that they do not all come back at its end: up to a tenth of it,
    /// and nothing without jitter.
    pub(crate) fn spread<R: Rng + ?Sized>(&self, told: Duration, rng: &mut R) -> Duration {
        if self.jitter == Jitter::None || told.is_zero() {
            return Duration::ZERO;
        }
        between(Duration::ZERO, told / 10, rng)
    }

    /// Checks the numbers; `field` is the setter that was given the first wait.
    pub(crate) fn validate_as(&self, field: &'static str) -> Result<(), InvalidConfig> {
        check_positive(field, self.min)?;
        if !(self.factor >= 1.0 && self.factor.is_finite()) {
            return Err(InvalidConfig::new("factor", self.factor, "finite and at least 1"));
        }
        if self.max < self.min {
            return Err(InvalidConfig::new("max", self.max, format!("at least {:?}, the first wait", self.min)));
        }
        Ok(())
    }
}

impl From<Duration> for Backoff {
    fn from(wait: Duration) -> Self {
        Self::constant(wait).jitter(Jitter::None)
    }
}

/// The waits of a [`Backoff`]: an endless iterator, made by [`Backoff::delays`].
#[derive(Debug, Clone)]
pub struct Delays {
    waits: Waits,
    backoff: Backoff,
    rng: SmallRng,
}

impl Iterator for Delays {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(self.waits.next(&self.backoff, &mut self.rng))
    }
}

/// How far a sequence of waits has come. Apart from [`Backoff`] and the generator, so that whoever has those at
/// hand need not keep a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Waits {
    /// The wait before, without jitter except where it is decorrelated. Zero before the first.
    previous: Duration,
}

impl Waits {
    pub(crate) const fn new() -> Self {
        Self { previous: Duration::ZERO }
    }

    pub(crate) fn next<R: Rng + ?Sized>(&mut self, backoff: &Backoff, rng: &mut R) -> Duration {
        let (low, high) = self.advance(backoff);
        self.draw(backoff, low, high, rng)
    }

    /// The next wait of an open circuit, whose jitter never draws below half of the longest wait it could draw.
    pub(crate) fn next_of_open<R: Rng + ?Sized>(&mut self, backoff: &Backoff, rng: &mut R) -> Duration {
        let (low, high) = self.advance(backoff);
        self.draw(backoff, low.max(high.min(backoff.max) / 2), high, rng)
    }

    /// Moves on, and returns the bounds to draw from. Above the maximum, the wait is cut afterwards.
    fn advance(&mut self, backoff: &Backoff) -> (Duration, Duration) {
        let Backoff { min, max, factor, jitter } = *backoff;
        if jitter == Jitter::Decorrelated {
            return (min, self.previous.max(min).saturating_mul(3));
        }
        self.previous = if self.previous.is_zero() { min } else { grow(self.previous, factor).min(max) };
        let wait = self.previous;
        match jitter {
            Jitter::Full => (Duration::ZERO, wait),
            Jitter::Equal => (wait / 2, wait),
            Jitter::Decorrelated | Jitter::None => (wait, wait),
        }
    }

    fn draw<R: Rng + ?Sized>(&mut self, backoff: &Backoff, low: Duration, high: Duration, rng: &mut R) -> Duration {
        if low == high && backoff.jitter == Jitter::None {
            return low;
        }
        let wait = between(low, high, rng).min(backoff.max);
        if backoff.jitter == Jitter::Decorrelated {
            self.previous = wait;
        }
        wait
    }
}

/// One number, so that no part of it is rounded by itself; a product no clock can count is the longest there is.
/// Never shorter than before, as rounding a wait of centuries could make it.
fn grow(wait: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(wait.as_secs_f64() * factor).unwrap_or(Duration::MAX).max(wait)
}

/// Any number of nanoseconds from `low` to `high`, each as likely.
fn between<R: Rng + ?Sized>(low: Duration, high: Duration, rng: &mut R) -> Duration {
    const PER_SECOND: u128 = 1_000_000_000;
    let nanos = rng.random_range(low.as_nanos()..=high.as_nanos());
    #[allow(clippy::cast_possible_truncation, reason = "between two durations lies a duration")]
    Duration::new((nanos / PER_SECOND) as u64, (nanos % PER_SECOND) as u32)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use proptest::prelude::*;

    fn rng() -> SmallRng {
        SmallRng::seed_from_u64(42)
    }

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn any_jitter() -> impl Strategy<Value = Jitter> {
        prop_oneof![Just(Jitter::Full), Just(Jitter::Equal), Just(Jitter::Decorrelated), Just(Jitter::None)]
    }

    fn any_duration() -> impl Strategy<Value = Duration> {
        prop_oneof![
            (1_u64..5_000_000_000).prop_map(Duration::from_nanos),
            (any::<u64>(), 0_u32..1_000_000_000).prop_map(|(secs, nanos)| Duration::new(secs, nanos.max(1))),
            Just(Duration::MAX),
        ]
    }

    proptest! {
        #[test]
        fn no_delay_is_ever_out_of_its_bounds(
            (first, second) in (any_duration(), any_duration()),
            factor in prop_oneof![1.0_f64..10.0, Just(1.0), Just(f64::MAX)],
            jitter in any_jitter(),
            seed in any::<u64>(),
        ) {
            let (min, max) = (first.min(second), first.max(second));
            let backoff = Backoff::exponential(min).factor(factor).max(max).jitter(jitter);
            let bare = backoff.jitter(Jitter::None).delays(42).unwrap();
            let spread = backoff.delays(seed).unwrap();
            for (delay, bare) in spread.zip(bare).take(60) {
                prop_assert!(delay <= max);
                prop_assert!(bare >= min && bare <= max);
                match jitter {
                    Jitter::Full => prop_assert!(delay <= bare),
                    Jitter::Equal => prop_assert!(delay <= bare && delay >= bare / 2),
                    Jitter::Decorrelated => prop_assert!(delay >= min),
                    Jitter::None => prop_assert_eq!(delay, bare),
                }
            }
        }

        /// Without jitter the n-th wait is `min * factor^n`, to a part in 10^9, however it is computed.
        #[test]
        fn waits_grow_by_the_factor(min in 1_u64..1_000_000, factor in 1.0_f64..4.0) {
            let min = Duration::from_micros(min);
            let max = Duration::from_secs(100_000_000);
            let delays = Backoff::exponential(min).factor(factor).max(max).jitter(Jitter::None).delays(42).unwrap();
            for (n, delay) in (0..20).zip(delays) {
                let expected = (min.as_secs_f64() * factor.powi(n)).min(max.as_secs_f64());
                // Half a nanosecond a step from rounding, which then grows with the rest.
                let tolerance = expected * 1e-9 + 1e-9 * factor.powi(n) * 20.0;
                prop_assert!((delay.as_secs_f64() - expected).abs() <= tolerance, "{n}: {delay:?} {expected}");
            }
        }
    }

    #[test]
    fn a_base_of_a_second_is_spread_to_the_nanosecond() {
        for jitter in [Jitter::Full, Jitter::Equal, Jitter::Decorrelated] {
            let mut rng = rng();
            let distinct: HashSet<_> = (0..2_000)
                .map(|_| Waits::default().next(&Backoff::exponential(millis(1_000)).jitter(jitter), &mut rng))
                .collect();
            assert!(distinct.len() > 1_900, "{jitter:?}: {}", distinct.len());
        }
    }

    /// The mean tells the kinds of jitter apart, and from one that leans to a side.
    #[test]
    fn the_mean_wait_is_where_it_should_be() {
        for (jitter, expected) in
            [(Jitter::Full, 0.5), (Jitter::Equal, 0.75), (Jitter::Decorrelated, 2.0), (Jitter::None, 1.0)]
        {
            let mut rng = rng();
            let backoff = Backoff::exponential(Duration::from_secs(1)).jitter(jitter);
            let total: f64 = (0..10_000).map(|_| Waits::default().next(&backoff, &mut rng).as_secs_f64()).sum();
            let mean = total / 10_000.0;
            assert!((mean - expected).abs() < 0.03, "{jitter:?}: {mean}");
        }
    }

    #[test]
    fn decorrelated_waits_reach_up_to_three_times_the_one_before() {
        let backoff = Backoff::exponential(millis(10)).jitter(Jitter::Decorrelated);
        let mut previous = millis(10);
        let mut highest = 0.0_f64;
        for delay in backoff.max(Duration::from_secs(3600)).delays(42).unwrap().take(2_000) {
            let upper = (previous * 3).min(Duration::from_secs(3600));
            assert!(delay >= millis(10) && delay <= upper, "{delay:?}");
            highest = highest.max(delay.as_secs_f64() / upper.as_secs_f64());
            previous = delay;
        }
        assert!(highest > 0.95);
    }

    /// As the article has it: `min(cap, random_between(base, previous * 3))`. After a wait at the cap two in three are at
    /// the cap again, and the mean is five sixths of it; drawing below the cap instead would give a half.
    #[test]
    fn decorrelated_waits_are_cut_at_the_cap() {
        let cap = Duration::from_secs(15);
        let backoff = Backoff::exponential(millis(100)).max(cap).jitter(Jitter::Decorrelated);
        let waits: Vec<_> = backoff.delays(42).unwrap().take(50_000).collect();
        let after: Vec<_> = waits.windows(2).filter(|pair| pair[0] == cap).map(|pair| pair[1].as_secs_f64()).collect();
        let count = |number: usize| f64::from(u32::try_from(number).unwrap());
        let at_the_cap = count(after.iter().filter(|wait| **wait >= 15.0).count()) / count(after.len());
        assert!((at_the_cap - 2.0 / 3.0).abs() < 0.02, "{at_the_cap}");
        let mean = after.iter().sum::<f64>() / count(after.len());
        assert!((mean - 12.5).abs() < 0.2, "{mean}");
    }

    #[test]
    fn the_same_seed_gives_the_same_waits() {
        let backoff = Backoff::exponential(millis(100));
        let first: Vec<_> = backoff.delays(42).unwrap().take(50).collect();
        let again: Vec<_> = backoff.delays(42).unwrap().take(50).collect();
        let other: Vec<_> = backoff.delays(43).unwrap().take(50).collect();
        assert_eq!(first, again);
        assert_ne!(first, other);
    }

    #[test]
    fn a_plain_duration_neither_grows_nor_varies() {
        let delays: Vec<_> = Backoff::from(millis(30)).delays(42).unwrap().take(3).collect();
        assert_eq!(delays, [millis(30); 3]);
    }

    #[test]
    fn a_backoff_that_contradicts_itself_is_an_error() {
        let second = Duration::from_secs(1);
        let error = |backoff: Backoff| backoff.delays(42).unwrap_err().to_string();
        assert_eq!(error(Backoff::exponential(Duration::ZERO)), "`backoff` is 0ns; it must be longer than zero");
        for factor in [0.99, 0.0, -1.0, f64::NAN, f64::INFINITY] {
            let expected = format!("`factor` is {factor:?}; it must be finite and at least 1");
            assert_eq!(error(Backoff::exponential(second).factor(factor)), expected);
        }
        assert_eq!(
            error(Backoff::exponential(second).max(millis(999))),
            "`max` is 999ms; it must be at least 1s, the first wait"
        );
    }
}
