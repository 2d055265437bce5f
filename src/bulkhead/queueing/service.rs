use std::task::{Context, Poll};

use tokio::time::Instant;
use tower_service::Service;

use super::bounds::Bounds;
use crate::bulkhead::future::ResponseFuture;
use crate::bulkhead::queued::Queued;
use crate::bulkhead::semaphore::{Entry, Semaphore};
use crate::deadline::{deadline, end_of};
use crate::error::Rejectable;
use crate::instance::Instance;
use crate::macros::service_accessors;

/// A service that bounds its requests in flight, and lets further ones queue. Made by
/// [`QueueingBulkheadLayer`](super::QueueingBulkheadLayer).
///
/// Clones share the permits and the queue.
#[derive(Debug)]
pub struct QueueingBulkhead<S> {
    inner: S,
    semaphore: Instance<Semaphore>,
    bounds: Bounds,
    /// The inner service was polled ready and not called since.
    is_ready: bool,
}

impl<S> QueueingBulkhead<S> {
    pub(super) fn new(inner: S, semaphore: Semaphore, bounds: Bounds) -> Self {
        Self { inner, semaphore: Instance::new(semaphore), bounds, is_ready: false }
    }

    /// The permits.
    #[must_use]
    pub fn semaphore(&self) -> &Semaphore {
        &self.semaphore
    }
}

service_accessors!(QueueingBulkhead<S>);

/// A clone starts unpolled.
impl<S: Clone> Clone for QueueingBulkhead<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), semaphore: self.semaphore.clone(), bounds: self.bounds, is_ready: false }
    }
}

impl<S, R> Service<R> for QueueingBulkhead<S>
where
    S: Service<R> + Clone,
    S::Error: Rejectable,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, R>;

    /// Ready when the inner service is. While all permits are taken it is ready at once, without asking the inner
    /// service: the request queues, and a clone of the inner service is asked once it has a permit. A permit is taken by
    /// the call, so an idle clone holds none.
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
        if self.is_ready {
            if let Some(permit) = self.semaphore.try_acquire() {
                self.is_ready = false;
                return ResponseFuture::admitted(self.inner.call(request), permit);
            }
        }
        self.call_later(request)
    }
}

impl<S> QueueingBulkhead<S> {
    #[cold]
    fn call_later<R>(&mut self, request: R) -> ResponseFuture<S, R>
    where
        S: Service<R> + Clone,
    {
        if std::mem::take(&mut self.is_ready) {
            // The instance that was polled ready may hold what others wait for.
            self.inner = self.inner.clone();
        }
        let service = self.inner.clone();
        if let Some(permit) = self.semaphore.try_acquire() {
            return ResponseFuture::queued(Queued::holding(permit, service, request));
        }
        let Bounds { max_wait, max_queue } = self.bounds;
        if max_wait.is_zero() {
            return ResponseFuture::full(self.semaphore.limit());
        }
        let since = Instant::now();
        let max_end = end_of(max_wait);
        let end = max_end.into_iter().chain(deadline()).min();
        match self.semaphore.enqueue(max_queue, end) {
            Entry::Permit(permit) => ResponseFuture::queued(Queued::holding(permit, service, request)),
            Entry::Queued(waiting) => {
                ResponseFuture::queued(Queued::waiting(waiting, since, [end, max_end], service, request))
            }
            Entry::Full => ResponseFuture::full(self.semaphore.limit()),
        }
    }
}
