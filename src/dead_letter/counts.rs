use std::sync::Arc;

use crate::sync::{AtomicU64, Ordering};

/// How many letters a [`DeadLetterLayer`](super::DeadLetterLayer) kept and lost. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct DeadLetterCounts {
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    kept: AtomicU64,
    lost: AtomicU64,
}

impl DeadLetterCounts {
    /// Letters that the sink kept.
    #[must_use]
    pub fn kept(&self) -> u64 {
        self.counts.kept.load(Ordering::Relaxed)
    }

    /// Letters that were not kept: the sink failed, panicked or took too long, the caller left before it had them, or
    /// there was no copy of the request.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.counts.lost.load(Ordering::Relaxed)
    }

    pub(super) fn count_kept(&self) {
        self.counts.kept.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_lost(&self) {
        self.counts.lost.fetch_add(1, Ordering::Relaxed);
    }
}
