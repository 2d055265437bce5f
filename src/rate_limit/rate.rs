use std::time::Duration;

use crate::config::InvalidConfig;

const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The longest interval: one request a year, however long the year is taken to be.
const MAX_INTERVAL: u64 = 366 * DAY;

/// The longest time in which an empty burst may refill: 36 years. The clock of a limit counts twice that.
const MAX_REFILL: u64 = 1 << 60;

/// How much may pass, and how fast: a number of requests per unit of time, and a burst.
///
/// A rate starts with its unit and is complete with its burst. Over any span of time `w`, at most
/// `burst + floor(w * rate)` passes. A burst of 1 spaces requests evenly; a burst of 10 lets ten pass at once after a
/// pause that is long enough.
///
/// Rates reach from one a year to 10<sup>9</sup> a second. The interval between two requests is a whole number of
/// nanoseconds, rounded up, so a limit is never faster than its rate: at 3 a second it is 333,333,334 ns.
///
/// ```
/// use std::time::Duration;
/// use windbreak::rate_limit::Rate;
///
/// # fn main() -> Result<(), windbreak::InvalidConfig> {
/// let rate = Rate::per_second(50).burst(10)?;
/// assert_eq!((rate.interval(), rate.burst()), (Duration::from_millis(20), 10));
/// assert_eq!(rate, Rate::every(Duration::from_millis(20)).burst(10)?);
///
/// let error = Rate::per_second(0).burst(10).unwrap_err();
/// assert_eq!(error.to_string(), "`per_second` is 0; it must be from 1 to 1000000000");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    interval: u64,
    burst: u32,
}

/// A rate that lacks its burst. Made by the constructors of [`Rate`].
#[derive(Debug, Clone, Copy)]
#[must_use = "a rate is complete with its burst"]
pub struct RateBuilder {
    unit: &'static str,
    amount: Amount,
}

#[derive(Debug, Clone, Copy)]
enum Amount {
    PerPeriod { count: u64, period: u64 },
    Every(Duration),
}

impl Rate {
    /// `count` requests a second, from 1 to 10<sup>9</sup>.
    pub const fn per_second(count: u64) -> RateBuilder {
        RateBuilder::per_period("per_second", count, SECOND)
    }

    /// `count` requests a minute, from 1 to 6·10<sup>10</sup>.
    pub const fn per_minute(count: u64) -> RateBuilder {
        RateBuilder::per_period("per_minute", count, MINUTE)
    }

    /// `count` requests an hour, from 1 to 3.6·10<sup>12</sup>.
    pub const fn per_hour(count: u64) -> RateBuilder {
        RateBuilder::per_period("per_hour", count, HOUR)
    }

    /// `count` requests in 24 hours, from 1 to 8.64·10<sup>13</sup>.
    pub const fn per_day(count: u64) -> RateBuilder {
        RateBuilder::per_period("per_day", count, DAY)
    }

    /// One request in each `interval`, which is from 1 ns to 366 days.
    pub const fn every(interval: Duration) -> RateBuilder {
        RateBuilder { unit: "every", amount: Amount::Every(interval) }
    }

    /// The time in which one unit of cost comes back.
    #[must_use]
    pub const fn interval(self) -> Duration {
        Duration::from_nanos(self.interval)
    }

    /// How much may pass at once.
    #[must_use]
    pub const fn burst(self) -> u32 {
        self.burst
    }
}

impl RateBuilder {
    const fn per_period(unit: &'static str, count: u64, period: u64) -> Self {
        Self { unit, amount: Amount::PerPeriod { count, period } }
    }

    /// Completes the rate: at most `burst` passes at once. A request that costs more never passes.
    ///
    /// # Errors
    ///
    /// If the count or the interval is out of the bounds of its unit, if `burst` is zero, or if a burst takes longer
    /// than 36 years to refill.
    pub fn burst(self, burst: u32) -> Result<Rate, InvalidConfig> {
        let interval = self.interval()?;
        let max = u32::try_from(MAX_REFILL / interval).unwrap_or(u32::MAX);
        if !(1..=max).contains(&burst) {
            return Err(InvalidConfig::new("burst", burst, format!("from 1 to {max}")));
        }
        Ok(Rate { interval, burst })
    }

    fn interval(self) -> Result<u64, InvalidConfig> {
        match self.amount {
            Amount::PerPeriod { count, period } if (1..=period).contains(&count) => Ok(period.div_ceil(count)),
            Amount::PerPeriod { count, period } => {
                Err(InvalidConfig::new(self.unit, count, format!("from 1 to {period}")))
            }
            Amount::Every(interval) => u64::try_from(interval.as_nanos())
                .ok()
                .filter(|nanos| (1..=MAX_INTERVAL).contains(nanos))
                .ok_or_else(|| InvalidConfig::new(self.unit, interval, "from 1ns to 366 days")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Unit = (fn(u64) -> RateBuilder, &'static str, u64);

    const UNITS: [Unit; 4] = [
        (Rate::per_second, "per_second", SECOND),
        (Rate::per_minute, "per_minute", MINUTE),
        (Rate::per_hour, "per_hour", HOUR),
        (Rate::per_day, "per_day", DAY),
    ];

    #[test]
    fn a_count_out_of_bounds_is_named_with_its_unit_and_bound() {
        for (of, unit, period) in UNITS {
            for count in [0, period + 1, u64::MAX] {
                let error = of(count).burst(1).unwrap_err();
                assert_eq!((error.field(), error.value()), (unit, count.to_string().as_str()));
                assert_eq!(error.bound(), format!("from 1 to {period}"));
            }
            assert_eq!(of(period).burst(u32::MAX).unwrap().interval(), Duration::from_nanos(1));
            assert_eq!(of(1).burst(1).unwrap().interval(), Duration::from_nanos(period));
        }
    }

    #[test]
    fn an_interval_out_of_bounds_is_named_with_its_bound() {
        for interval in [Duration::ZERO, Duration::from_nanos(MAX_INTERVAL + 1), Duration::MAX] {
            let error = Rate::every(interval).burst(1).unwrap_err();
            assert_eq!((error.field(), error.bound()), ("every", "from 1ns to 366 days"));
            assert_eq!(error.value(), format!("{interval:?}"));
        }
        for interval in [Duration::from_nanos(1), Duration::from_nanos(MAX_INTERVAL)] {
            assert_eq!(Rate::every(interval).burst(1).unwrap().interval(), interval);
        }
    }

    #[test]
    fn a_burst_out_of_bounds_is_named_with_its_bound() {
        let yearly = Rate::every(Duration::from_nanos(MAX_INTERVAL));
        for (rate, burst, bound) in [
            (Rate::per_second(50), 0, "from 1 to 4294967295"),
            (yearly, 0, "from 1 to 36"),
            (yearly, 37, "from 1 to 36"),
            (yearly, u32::MAX, "from 1 to 36"),
        ] {
            let error = rate.burst(burst).unwrap_err();
            assert_eq!((error.field(), error.value(), error.bound()), ("burst", burst.to_string().as_str(), bound));
        }
        assert_eq!(yearly.burst(36).unwrap().burst(), 36);
        assert_eq!(Rate::per_second(50).burst(u32::MAX).unwrap().burst(), u32::MAX);
    }

    proptest! {
        #[test]
        fn the_interval_is_the_smallest_that_is_not_too_fast(unit in 0..4_usize, share in 0.0..1.0_f64) {
            let (of, _, period) = UNITS[unit];
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
            let count = (((period as f64).powf(share)) as u64).clamp(1, period);
            let interval = of(count).burst(1).unwrap().interval().as_nanos();
            prop_assert!(interval * u128::from(count) >= u128::from(period));
            prop_assert!((interval - 1) * u128::from(count) < u128::from(period));
        }
    }
}
