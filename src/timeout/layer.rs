use std::time::Duration;

use tower_layer::Layer;

use super::Timeout;

/// Bounds the time an answer may take.
#[derive(Debug, Clone, Copy)]
pub struct TimeoutLayer {
    limit: Duration,
}

impl TimeoutLayer {
    /// Gives up on an answer after `limit`, counted from when the response future is first polled.
    ///
    /// An answer that is ready at that moment is delivered. With a limit of zero only an answer that is ready at
    /// once gets through; a limit too large for the clock never ends.
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
