use crate::sync::{AtomicU64, Ordering};

/// What a relay did. Written where something ended, read by its handle.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) delivered: Count,
    pub(super) retried: Count,
    pub(super) waited: Count,
    pub(super) parked: Count,
    pub(super) unsettled: Count,
    pub(super) store_failures: Count,
    /// Claims that failed. What they leased, if anything, runs out unseen.
    pub(super) missed_claims: Count,
}

#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
