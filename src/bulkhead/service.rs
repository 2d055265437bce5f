use std::marker::PhantomData;
use std::task::{Context, Poll};

use tower_service::Service;

use super::layer::Queueing;
use super::{Permit, Places, ResponseFuture};
use crate::error::{Rejectable, Rejection};
use crate::extent::{Extent, UntilHead};

/// A service that has only so many requests in flight. Made by [`BulkheadLayer`](super::BulkheadLayer).
///
/// Clones share the places.
#[derive(Debug)]
pub struct Bulkhead<S, U = UntilHead> {
    inner: S,
    places: Places,
    queueing: Queueing,
    extent: PhantomData<fn() -> U>,
}

impl<S, U> Bulkhead<S, U> {
    pub(super) const fn new(inner: S, places: Places, queueing: Queueing) -> Self {
        Self { inner, places, queueing, extent: PhantomData }
    }

    /// The places.
    #[must_use]
    pub const fn places(&self) -> &Places {
        &self.places
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

    fn full(&self) -> Rejection {
        Rejection::BulkheadFull { limit: self.places.limit() }
    }
}

impl<S: Clone, U> Clone for Bulkhead<S, U> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.places.clone(), self.queueing)
    }
}

impl<S, U, R> Service<R> for Bulkhead<S, U>
where
    S: Service<R> + Clone,
    S::Error: Rejectable,
    U: Extent<S::Response, Permit>,
{
    type Response = U::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, R, U>;

    /// Ready when the inner service is. A place is taken when the request is called, so an idle clone holds none.
    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: R) -> Self::Future {
        if let Some(permit) = self.places.try_acquire() {
            return ResponseFuture::admitted(self.inner.call(request), permit);
        }
        let Queueing { max_wait, max_queue } = self.queueing;
        if max_wait.is_zero() {
            return ResponseFuture::rejected(self.full());
        }
        match self.places.enqueue(max_queue) {
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
