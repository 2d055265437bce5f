use std::marker::PhantomData;
use std::task::{Context, Poll};
use std::time::Duration;

use tower_service::Service;

use super::{BodyTimer, ResponseFuture};
use crate::error::Rejectable;
use crate::extent::{Extent, UntilHead};

/// A service whose answers may take only so long. Made by [`TimeoutLayer`](super::TimeoutLayer).
#[derive(Debug)]
pub struct Timeout<S, U = UntilHead> {
    inner: S,
    limit: Duration,
    extent: PhantomData<fn() -> U>,
}

impl<S, U> Timeout<S, U> {
    pub(super) const fn new(inner: S, limit: Duration) -> Self {
        Self { inner, limit, extent: PhantomData }
    }

    /// The wrapped service.
    #[must_use]
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The wrapped service.
    #[must_use]
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The wrapped service, unwrapped.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Clone, U> Clone for Timeout<S, U> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.limit)
    }
}

impl<S, U, R> Service<R> for Timeout<S, U>
where
    S: Service<R>,
    S::Error: Rejectable,
    U: Extent<S::Response, BodyTimer>,
{
    type Response = U::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, U>;

    /// Waiting for the inner service to be ready is not bounded: that time belongs to no request yet.
    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: R) -> Self::Future {
        ResponseFuture::new(self.inner.call(request), self.limit)
    }
}
