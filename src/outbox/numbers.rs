use std::time::Duration;

use super::parked::ParkedHead;
use crate::backoff::Backoff;

/// How much longer than a delivery its lease lasts: as long again, so that its result can be written while the store is
/// slow, or gone for a while.
const LEASE_FACTOR: u32 = 2;

#[derive(Debug, Clone)]
pub(super) struct Numbers {
    pub(super) topics_at_once: usize,
    pub(super) timeout: Duration,
    pub(super) backoff: Backoff,
    pub(super) max_attempts: u32,
    pub(super) max_lapses: u32,
    pub(super) parked: ParkedHead,
    pub(super) poll_every: Duration,
    pub(super) keep_done_for: Duration,
}

impl Numbers {
    pub(super) const fn lease(&self) -> Duration {
        self.timeout.saturating_mul(LEASE_FACTOR)
    }
}
