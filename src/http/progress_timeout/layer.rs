use std::time::Duration;

use tower_layer::Layer;

use super::limits::Limits;
use super::service::ProgressTimeout;

/// Bounds the time without progress. Nothing is bounded by default.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProgressTimeoutLayer {
    limits: Limits,
}

impl ProgressTimeoutLayer {
    /// Bounds nothing until [`read`](Self::read) or [`write`](Self::write) is set.
    #[must_use]
    pub const fn new() -> Self {
        Self { limits: Limits { read: None, write: None } }
    }

    /// How long the next frame of the response's body may take, from when it is asked for. When it takes longer, the body
    /// is dropped, and its reader gets an `io::Error` of kind `TimedOut` that holds the
    /// [`Rejection`](crate::Rejection). With zero, only frames that are ready at once pass.
    #[must_use]
    pub const fn read(self, limit: Duration) -> Self {
        Self { limits: Limits { read: Some(limit), ..self.limits } }
    }

    /// How long the connection may take to send a frame of the request, and to ask for the next one. When it takes longer,
    /// the response is a [`Rejection::Timeout`](crate::Rejection::Timeout). After the last frame nothing is bounded.
    ///
    /// Frames disappear into the buffers of the operating system, so that the first ones tell little: choose a limit well
    /// above the time in which the slowest upload that you accept empties such a buffer.
    #[must_use]
    pub const fn write(self, limit: Duration) -> Self {
        Self { limits: Limits { write: Some(limit), ..self.limits } }
    }
}

impl<S> Layer<S> for ProgressTimeoutLayer {
    type Service = ProgressTimeout<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ProgressTimeout::new(inner, self.limits)
    }
}
