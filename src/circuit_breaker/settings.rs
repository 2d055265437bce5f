//! The numbers of a circuit, and how it judges by them.

use std::time::Duration;

use crate::backoff::Backoff;
use crate::config::{InvalidConfig, check_count, check_positive, check_ratio};
use crate::window::Tally;

/// The smallest number of calls worth judging. Below 20, one failure is more than 5 %.
const MINIMUM_CALLS: usize = 20;

/// More probes at once would be the load that half-open is to spare the upstream; each takes a place in a list.
const MAX_PROBES: usize = 1_000;

/// Longer than most clients wait for a response. It does not depend on how long the circuit was open: an upstream may take
/// longer than that for a response, and be well.
const PROBE_TIMEOUT: Duration = Duration::from_secs(30);

/// What a builder sets. Checked by [`check`](Self::check).
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub(super) window: WindowKind,
    pub(super) failure_ratio: f64,
    /// `None` is the default.
    pub(super) minimum_calls: Option<usize>,
    pub(super) minimum_span: Duration,
    pub(super) slow_calls: Option<SlowCalls>,
    pub(super) abandoned_after: Option<Duration>,
    pub(super) open_for: Backoff,
    pub(super) probes: usize,
    /// `None` is the default.
    pub(super) probe_timeout: Option<Duration>,
    pub(super) recover_over: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WindowKind {
    Count(usize),
    Time(Duration, usize),
}

/// From when on a call is slow, and at which share of slow calls the circuit opens.
#[derive(Debug, Clone, Copy)]
pub(super) struct SlowCalls {
    pub(super) threshold: Duration,
    pub(super) ratio: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            window: WindowKind::Count(100),
            failure_ratio: 0.5,
            minimum_calls: None,
            minimum_span: Duration::ZERO,
            slow_calls: None,
            abandoned_after: None,
            open_for: Backoff::from(Duration::from_secs(30)),
            probes: 5,
            probe_timeout: None,
            recover_over: None,
        }
    }
}

impl Settings {
    /// Whether the numbers are within their bounds. Those of the window are checked as it is made.
    pub(super) fn check(&self) -> Result<(), InvalidConfig> {
        check_count("minimum_calls", self.minimum_calls.unwrap_or(1), self.most_calls())?;
        check_ratio("failure_ratio", self.failure_ratio)?;
        if let Some(slow) = &self.slow_calls {
            check_positive("slow_calls threshold", slow.threshold)?;
            check_ratio("slow_calls ratio", slow.ratio)?;
        }
        for (field, duration) in [("abandoned_after", self.abandoned_after), ("recover_over", self.recover_over)] {
            duration.map_or(Ok(()), |duration| check_positive(field, duration))?;
        }
        self.open_for.validate_as("open_for")?;
        check_count("probes", self.probes, MAX_PROBES)?;
        check_positive("probe_timeout", self.probe_timeout())
    }

    pub(super) fn probe_timeout(&self) -> Duration {
        self.probe_timeout.unwrap_or(PROBE_TIMEOUT)
    }

    /// How many calls the window can hold.
    const fn most_calls(&self) -> usize {
        match self.window {
            WindowKind::Count(calls) => calls,
            WindowKind::Time(..) => usize::MAX,
        }
    }

    /// Whether the calls in the window are enough to judge by, and too many of them failed or were slow.
    pub(super) fn is_exceeded_by(&self, tally: Tally) -> bool {
        let minimum = self.minimum_calls.unwrap_or(MINIMUM_CALLS.min(self.most_calls()));
        tally.calls >= minimum as u64 && self.is_ratio_reached_by(tally)
    }

    /// Whether too many of these calls failed or were slow.
    pub(super) fn is_ratio_reached_by(&self, tally: Tally) -> bool {
        tally.failure_ratio().is_some_and(|ratio| ratio >= self.failure_ratio)
            || self.slow_calls.is_some_and(|slow| tally.slow_ratio().is_some_and(|ratio| ratio >= slow.ratio))
    }

    /// Whether a call of at least this length is slow.
    pub(super) fn is_slow_at(&self, length: Duration) -> bool {
        self.slow_calls.is_some_and(|slow| slow.threshold <= length)
    }
}
