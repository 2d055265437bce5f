use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::upstream::Counts;

/// What one client sends and one upstream does, counted from the start of the run.
pub(super) struct Ledger {
    start: Instant,
    counts: Mutex<Counts>,
}

/// An attempt that is in flight.
pub(super) struct Visit(Arc<Ledger>);

impl Ledger {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { start: Instant::now(), counts: Mutex::default() })
    }

    pub(super) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    pub(super) fn counts(&self) -> Counts {
        self.locked().clone()
    }

    /// Counts an attempt.
    pub(super) fn enter(self: &Arc<Self>) -> Visit {
        let counts = &mut *self.locked();
        counts.attempts.push(self.start.elapsed());
        counts.in_flight += 1;
        counts.most_in_flight = counts.most_in_flight.max(counts.in_flight);
        Visit(Arc::clone(self))
    }

    /// A `POST` takes effect. A repeat with the key of one that did is recognised, and does nothing.
    pub(super) fn act(&self, id: u64, is_keyed: bool) {
        let counts = &mut *self.locked();
        let times = counts.effects.entry(id).or_insert(0);
        *times = if is_keyed { 1 } else { *times + 1 };
    }

    fn locked(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.0.locked().in_flight -= 1;
    }
}
