/// How one call ended, as far as a window cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Outcome {
    /// The upstream failed.
    pub failed: bool,
    /// The upstream took longer than it may.
    pub slow: bool,
}

impl Outcome {
    /// Neither failed nor slow.
    pub const SUCCESS: Self = Self { failed: false, slow: false };
    /// Failed, and not slow.
    pub const FAILURE: Self = Self { failed: true, slow: false };

    /// An outcome.
    #[must_use]
    pub const fn new(failed: bool, slow: bool) -> Self {
        Self { failed, slow }
    }
}

/// What a window holds: how many calls, and how many of them failed or were slow.
///
/// A call that was slow and failed counts in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Tally {
    /// All calls.
    pub calls: u64,
    /// Those that failed.
    pub failures: u64,
    /// Those that were slow.
    pub slow: u64,
}

impl Tally {
    /// A number of calls, how many of them failed, and how many were slow.
    #[must_use]
    pub const fn new(calls: u64, failures: u64, slow: u64) -> Self {
        Self { calls, failures, slow }
    }

    /// The share of calls that failed; `None` if there were no calls.
    #[must_use]
    pub fn failure_ratio(&self) -> Option<f64> {
        ratio(self.failures, self.calls)
    }

    /// The share of calls that were slow; `None` if there were no calls.
    #[must_use]
    pub fn slow_ratio(&self) -> Option<f64> {
        ratio(self.slow, self.calls)
    }

    #[inline]
    pub(crate) fn add(&mut self, outcome: Outcome) {
        self.calls += 1;
        self.failures += u64::from(outcome.failed);
        self.slow += u64::from(outcome.slow);
    }

    #[inline]
    pub(crate) fn subtract(&mut self, other: Self) {
        self.calls -= other.calls;
        self.failures -= other.failures;
        self.slow -= other.slow;
    }
}

/// Exact up to 2^53 calls. Dividing rounds once, as reading `0.6` from source does, so that 3 of 5 *is* 0.6.
#[allow(clippy::cast_precision_loss, reason = "a window holds far fewer than 2^53 calls")]
fn ratio(part: u64, calls: u64) -> Option<f64> {
    (calls > 0).then(|| part as f64 / calls as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_is_counted_in_its_place() {
        let mut tally = Tally::default();
        for (failed, slow, expected) in [
            (false, false, Tally { calls: 1, failures: 0, slow: 0 }),
            (true, false, Tally { calls: 2, failures: 1, slow: 0 }),
            (false, true, Tally { calls: 3, failures: 1, slow: 1 }),
            (true, true, Tally { calls: 4, failures: 2, slow: 2 }),
        ] {
            tally.add(Outcome { failed, slow });
            assert_eq!(tally, expected);
        }

        let other = Tally { calls: 3, failures: 1, slow: 1 };
        tally.subtract(other);
        assert_eq!(tally, Tally { calls: 1, failures: 1, slow: 1 });
    }

    #[test]
    fn a_ratio_is_exact_and_none_without_calls() {
        let tally = Tally { calls: 5, failures: 3, slow: 1 };
        assert_eq!((tally.failure_ratio(), tally.slow_ratio()), (Some(0.6), Some(0.2)));
        assert_eq!((Tally::default().failure_ratio(), Tally::default().slow_ratio()), (None, None));
    }
}
