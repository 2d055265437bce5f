use std::fmt;
use std::sync::Arc;

use tower_layer::Layer;

use super::config::Adapt;
use super::service::Adaptive;
use super::shared::Shared;
use crate::bulkhead::layer::BulkheadLayer;
use crate::bulkhead::queueing::QueueingBulkheadLayer;
use crate::bulkhead::semaphore::Semaphore;

/// Bounds the requests in flight by a limit that follows the upstream. Made by
/// [`BulkheadLayer::adapt`](crate::BulkheadLayer::adapt), and by
/// [`QueueingBulkheadLayer::adapt`](super::super::QueueingBulkheadLayer::adapt) for a bulkhead that queues.
///
/// All services made from a layer, or from a clone of it, share its permits and what it learned.
pub struct AdaptiveBulkheadLayer<R, L = BulkheadLayer> {
    bulkhead: L,
    semaphore: Semaphore,
    shared: Arc<Shared<R>>,
}

impl BulkheadLayer {
    /// Lets the limit follow the upstream, from the current limit on. `rules` judge the responses; see
    /// [the module](crate::bulkhead#a-limit-that-adapts).
    ///
    /// A limit that is outside the bounds moves to the nearest one at once. A [resize](Semaphore::resize) by hand holds
    /// until the limit adapts next.
    #[must_use]
    pub fn adapt<R>(self, adapt: Adapt, rules: R) -> AdaptiveBulkheadLayer<R> {
        let semaphore = self.semaphore().clone();
        AdaptiveBulkheadLayer::new(self, semaphore, adapt, rules)
    }
}

impl QueueingBulkheadLayer {
    /// Lets the limit follow the upstream, as [`BulkheadLayer::adapt`] does. Time in the queue is not round-trip time.
    #[must_use]
    pub fn adapt<R>(self, adapt: Adapt, rules: R) -> AdaptiveBulkheadLayer<R, Self> {
        let semaphore = self.semaphore().clone();
        AdaptiveBulkheadLayer::new(self, semaphore, adapt, rules)
    }
}

impl<R: Clone> AdaptiveBulkheadLayer<R> {
    /// Another bulkhead by the same rules that has learned nothing, with permits of its own. It starts with the limit in
    /// force here.
    ///
    /// One for each host:
    ///
    /// ```
    /// use windbreak::bulkhead::Adapt;
    /// use windbreak::rules::ErrorsOnly;
    /// use windbreak::{BulkheadLayer, PerKeyLayer};
    ///
    /// # fn main() -> Result<(), windbreak::InvalidConfig> {
    /// let any_shard = BulkheadLayer::new(20)?.adapt(Adapt::between(1, 200)?, ErrorsOnly);
    /// let per_shard = PerKeyLayer::new(1024, |shard: &u8| *shard, move |_| any_shard.sibling())?;
    /// # let _ = per_shard;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn sibling(&self) -> Self {
        self.bulkhead.sibling().adapt(self.shared.adapt(), self.shared.rules().clone())
    }
}

impl<R: Clone> AdaptiveBulkheadLayer<R, QueueingBulkheadLayer> {
    /// Another bulkhead by the same rules that has learned nothing, with permits and a queue of its own. It starts with the
    /// limit in force here.
    #[must_use]
    pub fn sibling(&self) -> Self {
        self.bulkhead.sibling().adapt(self.shared.adapt(), self.shared.rules().clone())
    }
}

impl<R, L> AdaptiveBulkheadLayer<R, L> {
    fn new(bulkhead: L, semaphore: Semaphore, adapt: Adapt, rules: R) -> Self {
        let shared = Arc::new(Shared::new(adapt, rules, semaphore.clone()));
        Self { bulkhead, semaphore, shared }
    }

    /// Its permits.
    #[must_use]
    pub const fn semaphore(&self) -> &Semaphore {
        &self.semaphore
    }

    /// The limit as the responses set it: that of the semaphore, unless it is only observed.
    #[must_use]
    pub fn adapted_limit(&self) -> usize {
        self.shared.limit()
    }
}

impl<R, L: Clone> Clone for AdaptiveBulkheadLayer<R, L> {
    fn clone(&self) -> Self {
        let (bulkhead, semaphore) = (self.bulkhead.clone(), self.semaphore.clone());
        Self { bulkhead, semaphore, shared: Arc::clone(&self.shared) }
    }
}

impl<R, L: fmt::Debug> fmt::Debug for AdaptiveBulkheadLayer<R, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("AdaptiveBulkheadLayer");
        debug.field("bulkhead", &self.bulkhead).field("limit", &self.shared.limit()).finish_non_exhaustive()
    }
}

impl<S, R, L> Layer<S> for AdaptiveBulkheadLayer<R, L>
where
    L: Layer<Adaptive<S, R>>,
{
    type Service = L::Service;

    fn layer(&self, inner: S) -> Self::Service {
        self.bulkhead.layer(Adaptive::new(inner, Arc::clone(&self.shared)))
    }
}
