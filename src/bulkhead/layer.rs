use std::marker::PhantomData;
use std::time::Duration;

use tower_layer::Layer;

use super::{Bulkhead, Places};
use crate::error::InvalidConfig;
use crate::extent::UntilHead;

/// Bounds the requests in flight.
///
/// All services made from a layer, or from a clone of it, share its places.
#[derive(Debug)]
pub struct BulkheadLayer<U = UntilHead> {
    places: Places,
    queueing: Queueing,
    extent: PhantomData<fn() -> U>,
}

/// Who may queue, and for how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Queueing {
    pub(super) max_wait: Duration,
    pub(super) max_queue: usize,
}

impl BulkheadLayer {
    /// At most `limit` requests in flight; a further one is rejected at once.
    ///
    /// # Errors
    ///
    /// If `limit` is zero or above 2,147,483,647.
    pub fn new(limit: usize) -> Result<Self, InvalidConfig> {
        let queueing = Queueing { max_wait: Duration::ZERO, max_queue: usize::MAX };
        Ok(Self { places: Places::new(limit)?, queueing, extent: PhantomData })
    }
}

impl<U> BulkheadLayer<U> {
    /// The same layer, for requests that last so long.
    #[cfg(feature = "http")]
    pub(crate) fn with_extent<V>(self) -> BulkheadLayer<V> {
        BulkheadLayer { places: self.places, queueing: self.queueing, extent: PhantomData }
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
        Self { places: self.places.sibling(), queueing: self.queueing, extent: PhantomData }
    }

    /// Its places: to look at, and to resize.
    #[must_use]
    pub fn places(&self) -> Places {
        self.places.clone()
    }
}

impl<U> Clone for BulkheadLayer<U> {
    fn clone(&self) -> Self {
        Self { places: self.places.clone(), queueing: self.queueing, extent: PhantomData }
    }
}

impl<S, U> Layer<S> for BulkheadLayer<U> {
    type Service = Bulkhead<S, U>;

    fn layer(&self, inner: S) -> Self::Service {
        Bulkhead::new(inner, self.places.clone(), self.queueing)
    }
}
