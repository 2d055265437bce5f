use std::sync::Arc;
use std::time::Duration;

use super::claim::{Claim, Claimed, Lease};
use super::error::StoreError;
use super::message::Message;
use super::parked::{Parked, ParkedHead};
use super::settlement::Settlement;

/// For stores: what counts as never. A longer wait or lease is as long as this, so that no database's clock runs out.
pub const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Where messages are kept, and who may deliver them.
///
/// [`check`](super::check) holds a store to all that is said here. Write the methods as `async fn`s.
///
/// All times are those of one clock, the store's, so that relays on machines whose clocks differ agree. No method keeps a
/// connection or a lock beyond its own end: between `claim` and `settle` an upstream is called.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an outbox's store",
    note = "use `MemoryStore`, or the crate `windbreak-sqlite` or `windbreak-postgres`"
)]
pub trait Store: Send + Sync {
    /// Writes a message in a transaction of its own. What must be written together with something else is written by the
    /// store's own method for that.
    ///
    /// # Errors
    ///
    /// [`StoreError::Duplicate`] if the id is there already, also of a message that is parked, or done and not yet deleted.
    fn insert(&self, message: &Message) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Leases up to `limit` messages, each of another topic, the longest due first.
    ///
    /// Of each topic it is the first message that is not done, whenever it was inserted and committed; or, if parked ones are
    /// stepped over, the first that is neither done nor parked. It must be due, and no message of its topic may be under a
    /// lease that has not run out. Where a lease has run out, its message comes before all others of its topic.
    ///
    /// # Errors
    ///
    /// If the store fails. Then nothing is leased, or what was leased comes back when the lease runs out.
    fn claim(
        &self,
        limit: usize,
        lease: Duration,
        parked: ParkedHead,
    ) -> impl Future<Output = Result<Vec<Claimed>, StoreError>> + Send;

    /// Ends a claim. Changes nothing if the claim does not hold any more.
    ///
    /// # Errors
    ///
    /// If the store fails. Then it may or may not have been written; it can be tried again.
    fn settle(&self, claim: &Claim, settlement: &Settlement) -> impl Future<Output = Result<Lease, StoreError>> + Send;

    /// How long until [`claim`](Self::claim) has something to lease, if nothing else happens: zero if it has now, `None` if
    /// nothing waits. A message that waits behind another one does not count.
    ///
    /// # Errors
    ///
    /// If the store fails.
    fn next_due(&self, parked: ParkedHead) -> impl Future<Output = Result<Option<Duration>, StoreError>> + Send;

    /// Parked messages in the order of their insertion, from the `offset`-th on, at most `limit`.
    ///
    /// # Errors
    ///
    /// If the store fails.
    fn parked(&self, offset: usize, limit: usize) -> impl Future<Output = Result<Vec<Parked>, StoreError>> + Send;

    /// Has a parked message delivered again, at once, with the same id and no failed attempts. `false` if none of this id is
    /// parked.
    ///
    /// # Errors
    ///
    /// If the store fails.
    fn unpark(&self, id: &str) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Deletes up to `limit` messages that were done at least `for_longer_than` ago, and returns how many.
    ///
    /// # Errors
    ///
    /// If the store fails.
    fn delete_done(
        &self,
        for_longer_than: Duration,
        limit: usize,
    ) -> impl Future<Output = Result<usize, StoreError>> + Send;
}

impl<S: Store + ?Sized> Store for Arc<S> {
    fn insert(&self, message: &Message) -> impl Future<Output = Result<(), StoreError>> + Send {
        (**self).insert(message)
    }

    fn claim(
        &self,
        limit: usize,
        lease: Duration,
        parked: ParkedHead,
    ) -> impl Future<Output = Result<Vec<Claimed>, StoreError>> + Send {
        (**self).claim(limit, lease, parked)
    }

    fn settle(&self, claim: &Claim, settlement: &Settlement) -> impl Future<Output = Result<Lease, StoreError>> + Send {
        (**self).settle(claim, settlement)
    }

    fn next_due(&self, parked: ParkedHead) -> impl Future<Output = Result<Option<Duration>, StoreError>> + Send {
        (**self).next_due(parked)
    }

    fn parked(&self, offset: usize, limit: usize) -> impl Future<Output = Result<Vec<Parked>, StoreError>> + Send {
        (**self).parked(offset, limit)
    }

    fn unpark(&self, id: &str) -> impl Future<Output = Result<bool, StoreError>> + Send {
        (**self).unpark(id)
    }

    fn delete_done(
        &self,
        for_longer_than: Duration,
        limit: usize,
    ) -> impl Future<Output = Result<usize, StoreError>> + Send {
        (**self).delete_done(for_longer_than, limit)
    }
}
