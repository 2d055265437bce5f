//! From when on a call is slow or abandoned, readable without a lock.
//!
//! The atomics are std's and not those of `sync`: each is a number by itself, and guards nothing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::settings::Settings;

/// No call is.
const NEVER: u64 = u64::MAX;

#[derive(Debug)]
pub(super) struct Thresholds {
    slow: AtomicU64,
    abandoned: AtomicU64,
}

impl Thresholds {
    pub(super) fn new(settings: &Settings) -> Self {
        let this = Self { slow: AtomicU64::new(NEVER), abandoned: AtomicU64::new(NEVER) };
        this.set(settings);
        this
    }

    pub(super) fn set(&self, settings: &Settings) {
        let nanos = |threshold: Option<Duration>| threshold.map_or(NEVER, |threshold| nanos(threshold).min(NEVER - 1));
        self.slow.store(nanos(settings.slow_calls.map(|slow| slow.threshold)), Ordering::Relaxed);
        self.abandoned.store(nanos(settings.abandoned_after), Ordering::Relaxed);
    }

    /// Whether calls have to be timed.
    #[inline]
    pub(super) fn are_set(&self) -> bool {
        // Both are never only if all bits of both are set.
        self.slow.load(Ordering::Relaxed) & self.abandoned.load(Ordering::Relaxed) != NEVER
    }

    #[inline]
    pub(super) fn is_slow(&self, elapsed: Duration) -> bool {
        nanos(elapsed) > self.slow.load(Ordering::Relaxed)
    }

    pub(super) fn is_abandoned(&self, elapsed: Duration) -> bool {
        let threshold = self.abandoned.load(Ordering::Relaxed);
        threshold != NEVER && nanos(elapsed) >= threshold
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(NEVER)
}
