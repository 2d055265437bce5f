use std::time::Duration;

use tower_layer::Layer;

use super::service::Timeout;

/// Bounds the time a response may take.
#[derive(Debug, Clone, Copy)]
pub struct TimeoutLayer {
    limit: Duration,
}

impl TimeoutLayer {
    /// Gives up on a response after `limit`, counted from the call.
    ///
    /// A response that is ready at the deadline is delivered. With a limit of zero only a response that is ready at once
    /// gets through; a limit too large for the clock never elapses.
    #[must_use]
    pub const fn new(limit: Duration) -> Self {
        Self { limit }
    }
}

impl<S> Layer<S> for TimeoutLayer {
    type Service = Timeout<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Timeout::new(inner, self.limit)
    }
}
