use std::time::Duration;

use tower_layer::Layer;

use super::queueing::Queueing;
use super::semaphore::Semaphore;
use super::service::Bulkhead;
use crate::config::InvalidConfig;

/// Bounds the requests in flight.
///
/// All services made from a layer, or from a clone of it, share its places.
#[derive(Debug, Clone)]
pub struct BulkheadLayer {
    semaphore: Semaphore,
    queueing: Queueing,
}

impl BulkheadLayer {
    /// At most `limit` requests in flight; a further one is rejected at once.
    ///
    /// # Errors
    ///
    /// If `limit` is zero or above 2,147,483,647.
    pub fn new(limit: usize) -> Result<Self, InvalidConfig> {
        let queueing = Queueing { max_wait: Duration::ZERO, max_queue: usize::MAX };
        Ok(Self { semaphore: Semaphore::new(limit)?, queueing })
    }

    /// As many in flight as can be counted.
    pub(crate) fn unlimited() -> Self {
        let queueing = Queueing { max_wait: Duration::ZERO, max_queue: usize::MAX };
        Self { semaphore: Semaphore::unlimited(), queueing }
    }

    /// Lets a request wait so long for a place. Zero, the default, is not at all; a wait too large for the clock
    /// never ends.
    #[must_use]
    pub const fn max_wait(mut self, max_wait: Duration) -> Self {
        self.queueing.max_wait = max_wait;
        self
    }

    /// Lets at most so many requests wait. By default as many as come: the wait bounds them too.
    #[must_use]
    pub const fn max_queue(mut self, max_queue: usize) -> Self {
        self.queueing.max_queue = max_queue;
        self
    }

    /// Another bulkhead of the same limit, by the same rules, with places of its own.
    #[must_use]
    pub fn sibling(&self) -> Self {
        Self { semaphore: self.semaphore.sibling(), queueing: self.queueing }
    }

    /// Its places: to look at, and to resize.
    #[must_use]
    pub fn semaphore(&self) -> Semaphore {
        self.semaphore.clone()
    }
}

impl<S> Layer<S> for BulkheadLayer {
    type Service = Bulkhead<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Bulkhead::new(inner, self.semaphore.clone(), self.queueing)
    }
}
