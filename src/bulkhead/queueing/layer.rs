use std::time::Duration;

use tower_layer::Layer;

use super::bounds::Bounds;
use super::service::QueueingBulkhead;
use crate::bulkhead::semaphore::Semaphore;

/// Bounds the requests in flight, and lets further ones queue. Made by
/// [`BulkheadLayer::queue`](crate::BulkheadLayer::queue).
///
/// Requests queue first come, first served. All services made from a layer, or from a clone of it, share its permits and
/// its queue.
#[derive(Debug, Clone)]
pub struct QueueingBulkheadLayer {
    semaphore: Semaphore,
    bounds: Bounds,
}

impl QueueingBulkheadLayer {
    pub(in crate::bulkhead) const fn new(semaphore: Semaphore) -> Self {
        Self { semaphore, bounds: Bounds { max_wait: Duration::MAX, max_queue: usize::MAX } }
    }

    /// How long a request may queue, from its call on. The default is as long as its [deadline](crate::deadline()) allows,
    /// which bounds every wait: a request without a deadline then queues until it gets a permit or is dropped. With
    /// zero no request queues.
    #[must_use]
    pub const fn max_wait(mut self, max_wait: Duration) -> Self {
        self.bounds.max_wait = max_wait;
        self
    }

    /// How many requests may queue at once. By default only the wait bounds the queue. With zero no request queues.
    #[must_use]
    pub const fn max_queue(mut self, max_queue: usize) -> Self {
        self.bounds.max_queue = max_queue;
        self
    }

    /// Another bulkhead of the same limit, by the same rules, with permits and a queue of its own.
    #[must_use]
    pub fn sibling(&self) -> Self {
        Self { semaphore: self.semaphore.sibling(), bounds: self.bounds }
    }

    /// Its permits: to look at, and to resize.
    #[must_use]
    pub const fn semaphore(&self) -> &Semaphore {
        &self.semaphore
    }
}

impl<S> Layer<S> for QueueingBulkheadLayer {
    type Service = QueueingBulkhead<S>;

    fn layer(&self, inner: S) -> Self::Service {
        QueueingBulkhead::new(inner, self.semaphore.clone(), self.bounds)
    }
}
