use std::fmt;
use std::task::{Context, Poll};

use tower_service::Service;

use super::future::ResponseFuture;
use super::switch::{Next, Switch};
use crate::macros::service_accessors;

/// A service that fails on purpose. Made by [`FaultLayer`](super::FaultLayer).
///
/// Clones share the [`Faults`](super::Faults).
pub struct Faulty<S, Request, E> {
    inner: S,
    switch: Switch<Request, E>,
}

impl<S, Request, E> Faulty<S, Request, E> {
    pub(super) const fn new(inner: S, switch: Switch<Request, E>) -> Self {
        Self { inner, switch }
    }
}

service_accessors!(Faulty<S, Request, E>);

impl<S: Clone, Request, E> Clone for Faulty<S, Request, E> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.switch.clone())
    }
}

impl<S, Request> Service<Request> for Faulty<S, Request, S::Error>
where
    S: Service<Request>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, S::Error>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request) -> Self::Future {
        match self.switch.next(&request) {
            Next::Pass => ResponseFuture::pass(self.inner.call(request)),
            Next::Fail(error) => ResponseFuture::fail(error),
            Next::Delay(delay) => ResponseFuture::delay(self.inner.call(request), delay),
            Next::Hang => ResponseFuture::hang(),
            Next::LoseResponse => ResponseFuture::lose(self.inner.call(request)),
        }
    }
}

impl<S: fmt::Debug, Request, E> fmt::Debug for Faulty<S, Request, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faulty").field("inner", &self.inner).field("is_on", &self.switch.is_on()).finish()
    }
}
