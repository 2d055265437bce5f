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

impl<S> Timeout<S> {
    #[inline(always)]
    fn call_until<R>(&mut self, deadline: Option<Instant>, request: R) -> ResponseFuture<S::Future>
    where
        S: Service<R>,
    {
        let _scope = Scope::of_call(deadline);
        ResponseFuture::new(self.inner.call(request), self.limit, deadline, self.place)
    }
}

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
        match self.place {
            Place::Alone => self.call_until(end_of(self.limit), request),
            Place::AroundAttempts => {
                let now = (self.limit != Duration::MAX).then(Instant::now);
                let _called = Called::at(now);
                self.call_until(now.and_then(|now| end_after(now, self.limit)), request)
            }
            Place::OneAttempt => {
                let called = Called::take();
                let deadline = called.map_or_else(|| end_of(self.limit), |called| end_after(called, self.limit));
                self.call_until(deadline, request)
            }
        }
    }
}

#[cfg(test)]
mod tests;
