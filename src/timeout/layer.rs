use std::marker::PhantomData;
use std::time::Duration;

use tower_layer::Layer;

use super::Timeout;
use crate::extent::UntilHead;

/// Bounds the time an answer may take.
#[derive(Debug)]
pub struct TimeoutLayer<U = UntilHead> {
    limit: Duration,
    extent: PhantomData<fn() -> U>,
}

impl TimeoutLayer {
    /// Gives up on an answer after `limit`, counted from when the response future is first polled.
    ///
    /// An answer that is ready at that moment is delivered. With a limit of zero only an answer that is ready at
    /// once gets through; a limit too large for the clock never ends.
    #[must_use]
    pub const fn new(limit: Duration) -> Self {
        Self { limit, extent: PhantomData }
    }
}

impl<U> TimeoutLayer<U> {
    /// The same layer, for requests that last so long.
    #[cfg(feature = "http")]
    pub(crate) fn with_extent<V>(self) -> TimeoutLayer<V> {
        TimeoutLayer { limit: self.limit, extent: PhantomData }
    }
}

impl<U> Clone for TimeoutLayer<U> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<U> Copy for TimeoutLayer<U> {}

impl<S, U> Layer<S> for TimeoutLayer<U> {
    type Service = Timeout<S, U>;

    fn layer(&self, inner: S) -> Self::Service {
        Timeout::new(inner, self.limit)
    }
}
