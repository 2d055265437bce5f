//! How many requests a circuit admits while it recovers.

use std::time::Duration;

use tokio::time::Instant;

/// The share at the beginning. The probes went well, so it need not begin with nothing; and a tenth of the load is little
/// for an upstream that takes all of it a moment later.
const FIRST_SHARE: f64 = 0.1;

#[derive(Debug, Clone, Copy)]
pub(super) struct Recovery {
    since: Instant,
}

impl Recovery {
    pub(super) const fn new(since: Instant) -> Self {
        Self { since }
    }

    pub(super) fn is_over(self, over: Duration, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= over
    }

    /// Whether a request passes that drew `chance`, from 0 to 1: the share grows evenly with time.
    pub(super) fn admits(self, over: Duration, now: Instant, chance: f64) -> bool {
        let elapsed = now.saturating_duration_since(self.since).as_secs_f64();
        chance < FIRST_SHARE + (1.0 - FIRST_SHARE) * elapsed / over.as_secs_f64()
    }
}
