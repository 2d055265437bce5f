use std::time::Duration;

use tower_layer::Layer;

use super::place::Place;
use super::service::Timeout;

/// Bounds the time a response may take.
#[derive(Debug, Clone, Copy)]
pub struct TimeoutLayer {
    limit: Duration,
    place: Place,
}

impl TimeoutLayer {
    /// Gives up on a response after `limit`, counted from the call.
    ///
    /// A response that is ready at the deadline is delivered. With a limit of zero only a response that is ready at once
    /// gets through; a limit too large for the clock never elapses.
    #[must_use]
    pub const fn new(limit: Duration) -> Self {
        Self { limit, place: Place::Alone }
    }

    /// In a stack, around its attempts, each of which has a timeout made by [`for_an_attempt`](Self::for_an_attempt), with
    /// nothing but layers of the stack between them. It leaves it to that one to wake the task while that one elapses first.
    pub(crate) const fn around_attempts(self) -> Self {
        Self { place: Place::AroundAttempts, ..self }
    }

    /// In a stack, around one attempt.
    pub(crate) const fn for_an_attempt(self) -> Self {
        Self { place: Place::OneAttempt, ..self }
    }
}

impl<S> Layer<S> for TimeoutLayer {
    type Service = Timeout<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Timeout::new(inner, self.limit, self.place)
    }
}
