use std::sync::Arc;

use tokio::sync::Notify;

use super::counts::Counts;

/// Wakes a [`Relay`](super::Relay), and reads what it did. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RelayHandle {
    notify: Arc<Notify>,
    counts: Arc<Counts>,
}

impl RelayHandle {
    pub(super) fn new() -> Self {
        Self { notify: Arc::default(), counts: Arc::default() }
    }

    /// Has the relay look for messages now. Call it after a message was committed; before, there is nothing to be seen.
    ///
    /// It is a hint: what it was not called for, the relay finds within [`poll_every`](super::RelayBuilder::poll_every).
    pub fn notify(&self) {
        self.notify.notify_one();
    }

    /// Messages that were delivered, and are written down as done.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.counts.delivered.get()
    }

    /// Attempts that failed, after which the message is to be delivered again.
    #[must_use]
    pub fn retried(&self) -> u64 {
        self.counts.retried.get()
    }

    /// Deliveries that were not sent, or met an upstream that wants less: no attempt failed.
    #[must_use]
    pub fn waited(&self) -> u64 {
        self.counts.waited.get()
    }

    /// Messages that were set aside for a person.
    #[must_use]
    pub fn parked(&self) -> u64 {
        self.counts.parked.get()
    }

    /// Deliveries whose end could not be written down, because the lease was lost or the store failed until it ran out. These
    /// messages are delivered again.
    #[must_use]
    pub fn unsettled(&self) -> u64 {
        self.counts.unsettled.get()
    }

    /// Calls of the store that failed.
    #[must_use]
    pub fn store_failures(&self) -> u64 {
        self.counts.store_failures.get()
    }

    pub(super) async fn notified(&self) {
        self.notify.notified().await;
    }

    pub(super) fn counts(&self) -> &Counts {
        &self.counts
    }
}
