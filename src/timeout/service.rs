use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;
use tower_service::Service;

use super::future::ResponseFuture;
use super::place::Place;
use crate::deadline::{Called, Scope, end_after, end_of};
use crate::error::Rejectable;
use crate::macros::service_accessors;

/// A service whose responses are waited for no longer than a limit. Made by [`TimeoutLayer`](super::TimeoutLayer).
#[derive(Debug, Clone)]
pub struct Timeout<S> {
    inner: S,
    limit: Duration,
    place: Place,
}

impl<S> Timeout<S> {
    pub(super) const fn new(inner: S, limit: Duration, place: Place) -> Self {
        Self { inner, limit, place }
    }
}

service_accessors!(Timeout<S>);

impl<S, R> Service<R> for Timeout<S>
where
    S: Service<R>,
    S::Error: Rejectable,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    /// Waiting for the inner service to be ready is not bounded: that time belongs to no request yet.
    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline(always)]
    fn call(&mut self, request: R) -> Self::Future {
        let (deadline, _called) = match self.place {
            Place::Alone => (end_of(self.limit), None),
            Place::AroundAttempts => {
                let now = (self.limit != Duration::MAX).then(Instant::now);
                (now.and_then(|now| end_after(now, self.limit)), Some(Called::at(now)))
            }
            Place::OneAttempt => match Called::take() {
                Some(called) => (end_after(called, self.limit), None),
                None => (end_of(self.limit), None),
            },
        };
        let _scope = Scope::of_call(deadline);
        ResponseFuture::new(self.inner.call(request), self.limit, deadline, self.place)
    }
}

#[cfg(test)]
mod tests;
