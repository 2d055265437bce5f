//! Whether whoever calls a provider holds a connection to the database meanwhile. Counted, not assumed.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

tokio::task_local! {
    /// How many connections the task has checked out.
    static HELD: Cell<u32>;
}

/// Runs `future` so that the connections that it checks out are seen.
pub async fn observed<F: Future>(future: F) -> F::Output {
    HELD.scope(Cell::new(0), future).await
}

/// A connection is checked out until this is dropped.
#[derive(Debug)]
#[must_use = "it counts until it is dropped"]
pub struct Holding(());

/// Called by whoever checks a connection out. Does nothing in a task that nobody observes.
pub fn holding() -> Holding {
    let _ = HELD.try_with(|held| held.set(held.get() + 1));
    Holding(())
}

impl Drop for Holding {
    fn drop(&mut self) {
        let _ = HELD.try_with(|held| held.set(held.get().saturating_sub(1)));
    }
}

/// Counts calls to providers, and those that were made with a connection in hand.
#[derive(Debug, Clone, Default)]
pub struct Gauge(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    calls: AtomicU64,
    holding: AtomicU64,
    unseen: AtomicU64,
}

impl Gauge {
    pub fn call(&self) {
        self.0.calls.fetch_add(1, Ordering::Relaxed);
        match HELD.try_with(Cell::get) {
            Ok(0) => {}
            Ok(_) => _ = self.0.holding.fetch_add(1, Ordering::Relaxed),
            Err(_) => _ = self.0.unseen.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// All calls; those made while a connection was held; those of tasks that nobody observed.
    pub fn counts(&self) -> (u64, u64, u64) {
        let Counts { calls, holding, unseen } = &*self.0;
        (calls.load(Ordering::Relaxed), holding.load(Ordering::Relaxed), unseen.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_call_with_a_connection_in_hand_is_counted() {
        let gauge = Gauge::default();
        observed(async {
            gauge.call();
            let held = holding();
            gauge.call();
            drop(held);
            gauge.call();
        })
        .await;
        gauge.call();
        assert_eq!(gauge.counts(), (4, 1, 1));
    }
}
