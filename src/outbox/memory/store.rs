use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::ledger::Ledger;
use super::rows::State;
use crate::outbox::claim::{Claim, Claimed, Lease};
use crate::outbox::error::StoreError;
use crate::outbox::message::Message;
use crate::outbox::parked::{Parked, ParkedHead};
use crate::outbox::settlement::Settlement;
use crate::outbox::store::Store;
use crate::sync::{Mutex, MutexGuard, PoisonError};

/// An outbox in memory, on tokio's clock: for tests and simulations in paused time. It survives nothing.
///
/// Clones are the same outbox.
#[derive(Clone, Default)]
pub struct MemoryStore {
    ledger: Arc<Mutex<Ledger>>,
}

impl MemoryStore {
    /// An empty outbox.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// All messages in the order of their insertion, and what has become of each. Those that were deleted are gone.
    #[must_use]
    pub fn messages(&self) -> Vec<(Message, State)> {
        self.ledger().messages()
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    async fn insert(&self, message: &Message) -> Result<(), StoreError> {
        let is_new = self.ledger().insert(message, Instant::now());
        if is_new { Ok(()) } else { Err(StoreError::duplicate(message.id.as_str())) }
    }

    async fn claim(&self, limit: usize, lease: Duration, parked: ParkedHead) -> Result<Vec<Claimed>, StoreError> {
        Ok(self.ledger().claim(limit, lease, parked, Instant::now()))
    }

    async fn settle(&self, claim: &Claim, settlement: &Settlement) -> Result<Lease, StoreError> {
        Ok(self.ledger().settle(claim, settlement, Instant::now()))
    }

    async fn next_due(&self, parked: ParkedHead) -> Result<Option<Duration>, StoreError> {
        Ok(self.ledger().next_due(parked, Instant::now()))
    }

    async fn parked(&self, offset: usize, limit: usize) -> Result<Vec<Parked>, StoreError> {
        Ok(self.ledger().parked(offset, limit))
    }

    async fn unpark(&self, id: &str) -> Result<bool, StoreError> {
        Ok(self.ledger().unpark(id, Instant::now()))
    }

    async fn delete_done(&self, for_longer_than: Duration, limit: usize) -> Result<usize, StoreError> {
        Ok(self.ledger().delete_done(for_longer_than, limit, Instant::now()))
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}
