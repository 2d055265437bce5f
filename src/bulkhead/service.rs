use std::task::{Context, Poll};

use tower_service::Service;

use super::future::ResponseFuture;
use super::queueing::Queueing;
use super::semaphore::Semaphore;
use crate::error::{Rejectable, Rejection};
use crate::macros::service_accessors;

/// A service that has only so many requests in flight. Made by [`BulkheadLayer`](super::BulkheadLayer).
///
/// Clones share the places.
#[derive(Debug)]
pub struct Bulkhead<S> {
    inner: S,
    semaphore: Semaphore,
    queueing: Queueing,
}

impl<S> Bulkhead<S> {
    pub(super) const fn new(inner: S, semaphore: Semaphore, queueing: Queueing) -> Self {
        Self { inner, semaphore, queueing }
    }

    /// The permits.
    #[must_use]
    pub const fn semaphore(&self) -> &Semaphore {
        &self.semaphore
    }

    fn full(&self) -> Rejection {
        Rejection::bulkhead_full(self.semaphore.limit())
    }
}

service_accessors!(Bulkhead<S>);

impl<S: Clone> Clone for Bulkhead<S> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.semaphore.clone(), self.queueing)
    }
}

impl<S, R> Service<R> for Bulkhead<S>
where
    S: Service<R> + Clone,
    S::Error: Rejectable,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, R>;

    /// Ready when the inner service is. A place is taken when the request is called, so an idle clone holds none.
    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: R) -> Self::Future {
        if let Some(permit) = self.semaphore.try_acquire() {
            return ResponseFuture::admitted(self.inner.call(request), permit);
        }
        let Queueing { max_wait, max_queue } = self.queueing;
        if max_wait.is_zero() {
            return ResponseFuture::rejected(self.full());
        }
        match self.semaphore.enqueue(max_queue) {
            None => ResponseFuture::rejected(self.full()),
            Some(Ok(permit)) => ResponseFuture::admitted(self.inner.call(request), permit),
            Some(Err(waiting)) => {
                // The instance that was polled ready waits with the request; its clone stays here.
                let clone = self.inner.clone();
                let inner = std::mem::replace(&mut self.inner, clone);
                ResponseFuture::queued(waiting, max_wait, inner, request)
            }
        }
    }
}
