use std::time::Duration;

use tower_layer::Layer;

use super::queueing::QueueingBulkheadLayer;
use super::semaphore::Semaphore;
use super::service::Bulkhead;
use crate::config::InvalidConfig;

/// Bounds the requests in flight. A further request is rejected at once.
///
/// All services made from a layer, or from a clone of it, share its permits.
#[derive(Debug, Clone)]
pub struct BulkheadLayer {
    semaphore: Semaphore,
}

impl BulkheadLayer {
    /// At most `limit` requests in flight.
    ///
    /// # Errors
    ///
    /// If `limit` is zero or above 2,147,483,647.
    pub fn new(limit: usize) -> Result<Self, InvalidConfig> {
        Ok(Self { semaphore: Semaphore::new(limit)? })
    }

    /// As many in flight as can be counted.
    pub(crate) fn unlimited() -> Self {
        Self { semaphore: Semaphore::unlimited() }
    }

    /// Lets requests queue for a permit instead of rejecting them. A wait is bounded by the request's
    /// [deadline](crate::deadline()), and by [`max_wait`](QueueingBulkheadLayer::max_wait) and
    /// [`max_queue`](QueueingBulkheadLayer::max_queue) of what this returns.
    ///
    /// A service that queues has to be `Clone`.
    #[must_use]
    pub fn queue(self) -> QueueingBulkheadLayer {
        QueueingBulkheadLayer::new(self.semaphore)
    }

    /// Lets requests queue for a permit for at most `max_wait`, from their call on: short for `queue().max_wait(max_wait)`.
    #[must_use]
    pub fn max_wait(self, max_wait: Duration) -> QueueingBulkheadLayer {
        self.queue().max_wait(max_wait)
    }

    /// Another bulkhead of the same limit, with permits of its own.
    #[must_use]
    pub fn sibling(&self) -> Self {
        Self { semaphore: self.semaphore.sibling() }
    }

    /// Its permits: to look at, and to resize.
    #[must_use]
    pub const fn semaphore(&self) -> &Semaphore {
        &self.semaphore
    }
}

impl<S> Layer<S> for BulkheadLayer {
    type Service = Bulkhead<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Bulkhead::new(inner, self.semaphore.clone())
    }
}

/// No request queues.
impl From<BulkheadLayer> for QueueingBulkheadLayer {
    fn from(layer: BulkheadLayer) -> Self {
        layer.queue().max_queue(0)
    }
}
