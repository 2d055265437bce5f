//! What a circuit goes by, and how it judges.

use std::time::Duration;

use crate::backoff::Backoff;
use crate::window::Tally;

/// The numbers a circuit goes by, checked.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) failure_ratio: f64,
    pub(super) minimum_calls: u64,
    pub(super) slow_calls: Option<SlowCalls>,
    pub(super) open_for: Backoff,
    pub(super) probes: u64,
    pub(super) probe_timeout: Duration,
    /// The longest wait a callee may ask for, if it may ask at all.
    pub(super) max_retry_after: Option<Duration>,
}

impl Rules {
    /// Whether the calls in the window are enough to judge by, and too many of them failed or were slow.
    pub(super) fn opens_at(&self, tally: Tally) -> bool {
        tally.calls >= self.minimum_calls && self.tripped_by(tally)
    }

    /// Whether too many of these calls failed or were slow.
    pub(super) fn tripped_by(&self, tally: Tally) -> bool {
        tally.failure_ratio().is_some_and(|ratio| ratio >= self.failure_ratio)
            || self.slow_calls.is_some_and(|slow| tally.slow_ratio().is_some_and(|ratio| ratio >= slow.ratio))
    }
}

/// From when on a call is slow, and at which share of slow calls the circuit opens.
#[derive(Debug, Clone, Copy)]
pub(super) struct SlowCalls {
    pub(super) threshold: Duration,
    pub(super) ratio: f64,
}
