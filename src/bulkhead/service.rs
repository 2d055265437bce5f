use std::task::{Context, Poll, Waker};

use tower_service::Service;

use super::future::ResponseFuture;
use super::semaphore::{Permit, Semaphore};
use crate::error::Rejectable;
use crate::instance::Instance;
use crate::macros::service_accessors;

/// A service that bounds its requests in flight. Made by [`BulkheadLayer`](super::BulkheadLayer).
///
/// Clones share the permits.
#[derive(Debug)]
pub struct Bulkhead<S> {
    inner: S,
    semaphore: Instance<Semaphore>,
    /// The inner service was polled ready and not called since.
    is_ready: bool,
}

impl<S> Bulkhead<S> {
    pub(super) fn new(inner: S, semaphore: Semaphore) -> Self {
        Self { inner, semaphore: Instance::new(semaphore), is_ready: false }
    }

    /// The permits.
    #[must_use]
    pub fn semaphore(&self) -> &Semaphore {
        &self.semaphore
    }
}

service_accessors!(Bulkhead<S>);

/// A clone starts unpolled.
impl<S: Clone> Clone for Bulkhead<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), semaphore: self.semaphore.clone(), is_ready: false }
    }
}

impl<S, R> Service<R> for Bulkhead<S>
where
    S: Service<R>,
    S::Error: Rejectable,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, R>;

    /// Ready when the inner service is. While all permits are taken it is ready at once, without asking the inner
    /// service, and the call is rejected. A permit is taken by the call, so an idle clone holds none.
    ///
    /// A service that was polled ready and is then rejected keeps what its inner service gave it, such as a permit, for its
    /// next call; drop it if there is to be none. One
    /// [with a queue](super::BulkheadLayer::queue) gives it back.
    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if !self.semaphore.has_room() {
            return Poll::Ready(Ok(()));
        }
        let readiness = self.inner.poll_ready(cx);
        self.is_ready = matches!(readiness, Poll::Ready(Ok(())));
        readiness
    }

    #[inline(always)]
    fn call(&mut self, request: R) -> Self::Future {
        let Some(permit) = self.semaphore.try_acquire() else {
            return ResponseFuture::full(self.semaphore.limit());
        };
        if !std::mem::take(&mut self.is_ready) {
            return self.call_unready(request, permit);
        }
        ResponseFuture::admitted(self.inner.call(request), permit)
    }
}

impl<S> Bulkhead<S> {
    /// A permit came free after `poll_ready` had found none, and had not asked the inner service.
    #[cold]
    fn call_unready<R>(&mut self, request: R, permit: Permit) -> ResponseFuture<S, R>
    where
        S: Service<R>,
    {
        // Whoever is not ready now is asked again, with a waker, by the next `poll_ready`.
        match self.inner.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => ResponseFuture::admitted(self.inner.call(request), permit),
            Poll::Ready(Err(error)) => ResponseFuture::failed(error),
            Poll::Pending => ResponseFuture::full(self.semaphore.limit()),
        }
    }
}
