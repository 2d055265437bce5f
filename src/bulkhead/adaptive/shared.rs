use tokio::time::Instant;

use super::adapt::{Adapting, Change};
use super::config::Adapt;
use super::sample::Sample;
use crate::bulkhead::semaphore::Semaphore;
use crate::error::Rejectable;
use crate::rules::Classify;
use crate::sync::{AtomicU64, Mutex, Ordering, PoisonError};

/// What all services of a layer have in common.
pub(super) struct Shared<R> {
    rules: R,
    semaphore: Semaphore,
    adapt: Adapt,
    /// The first limit.
    built_with: usize,
    /// The limit of `adapting`, to be read without its lock.
    limit: AtomicU64,
    adapting: Mutex<Adapting>,
}

impl<R> Shared<R> {
    pub(super) fn new(adapt: Adapt, rules: R, semaphore: Semaphore) -> Self {
        let adapting = Adapting::new(adapt, semaphore.limit(), Instant::now());
        let built_with = adapting.limit();
        let limit = AtomicU64::new(built_with as u64);
        let shared = Self { rules, semaphore, adapt, built_with, limit, adapting: Mutex::new(adapting) };
        shared.act();
        shared
    }

    #[allow(clippy::cast_possible_truncation, reason = "it came from a usize")]
    pub(super) fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed) as usize
    }

    /// Whether it is another limit than the first one.
    pub(super) fn has_learned(&self) -> bool {
        self.limit() != self.built_with
    }

    pub(super) const fn adapt(&self) -> Adapt {
        self.adapt
    }

    pub(super) const fn rules(&self) -> &R {
        &self.rules
    }

    pub(super) fn in_flight(&self) -> usize {
        self.semaphore.in_flight()
    }

    /// Learns from a result.
    pub(super) fn record<T, E>(&self, result: Result<&T, &E>, admitted: Instant, in_flight: usize)
    where
        E: Rejectable,
        R: Classify<T, E>,
    {
        let now = Instant::now();
        let time = now.saturating_duration_since(admitted);
        let Some(sample) = Sample::of(result, &self.rules, time, in_flight) else { return };
        let mut adapting = self.adapting.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(change) = adapting.record(sample, now) else { return };
        self.limit.store(change.to as u64, Ordering::Relaxed);
        drop(adapting);
        // Not under the lock: this wakes tasks.
        self.act();
        self.tell(change);
    }

    /// Makes the limit that of the semaphore. It is read once more afterwards: of two who act at once, the one that comes
    /// last may have read the older one.
    fn act(&self) {
        if self.adapt.observe_only {
            return;
        }
        let mut limit = self.limit();
        loop {
            self.semaphore.adapt_to(limit).expect("within bounds that were checked");
            let latest = self.limit();
            if latest == limit {
                return;
            }
            limit = latest;
        }
    }

    #[cold]
    fn tell(&self, change: Change) {
        let Change { from, to, reason } = change;
        tracing::debug!(from, to, ?reason, observe_only = self.adapt.observe_only, "the limit of a bulkhead changed");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;
    use crate::rules::ErrorsOnly;

    #[test]
    fn two_changes_at_once_leave_the_permits_at_the_latest() {
        let adapt = Adapt::between(1, 1_000).unwrap();
        let shared = Shared::new(adapt, ErrorsOnly, Semaphore::new(10).unwrap());
        let barrier = Barrier::new(2);
        let change = |limits: [u64; 2]| {
            let mut stale = 0;
            for round in 0..20_000 {
                barrier.wait();
                shared.limit.store(limits[round % 2], Ordering::Relaxed);
                shared.act();
                barrier.wait();
                let is_stale = shared.semaphore.limit() != shared.limit() || !shared.semaphore.is_at_rest();
                stale += u32::from(is_stale);
                barrier.wait();
            }
            stale
        };
        thread::scope(|scope| {
            let other = scope.spawn(|| change([10, 20]));
            assert_eq!(change([30, 40]) + other.join().unwrap(), 0);
        });
    }
}
