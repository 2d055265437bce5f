use std::task::{Context, Poll};
use std::time::Duration;

use tower_service::Service;

use super::cost::{Cost, UnitCost};
use super::future::ResponseFuture;
use super::limit::{Admission, RateLimit};
use super::obey::{ObeyNothing, Observe, Observer};
use super::shared::Patience;
use super::waiting::Waiting;
use crate::error::{Rejectable, Rejection};
use crate::macros::service_accessors;

/// A service with a limited request rate. Made by [`RateLimitLayer`](super::RateLimitLayer).
///
/// Clones share the limit.
#[derive(Debug)]
pub struct RateLimited<S, C = UnitCost, O = ObeyNothing> {
    inner: S,
    limit: RateLimit,
    patience: Patience,
    cost: C,
    obey: O,
}

impl<S, C, O> RateLimited<S, C, O> {
    pub(super) const fn new(inner: S, limit: RateLimit, patience: Patience, cost: C, obey: O) -> Self {
        Self { inner, limit, patience, cost, obey }
    }

    /// The limit.
    #[must_use]
    pub const fn limit(&self) -> &RateLimit {
        &self.limit
    }
}

service_accessors!(RateLimited<S, C, O>);

impl<S: Clone, C: Clone, O: Clone> Clone for RateLimited<S, C, O> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.limit.clone(), self.patience, self.cost.clone(), self.obey.clone())
    }
}

impl<S, C, O, R> Service<R> for RateLimited<S, C, O>
where
    S: Service<R> + Clone,
    S::Error: Rejectable,
    C: Cost<R>,
    O: Observe,
    O::Observer: Observer<S::Response, S::Error>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, R, O::Observer>;

    /// Ready when the inner service is. The limit is asked when the request is called, so an idle clone takes nothing.
    /// Whoever is rejected gives back what the inner service gave it; whoever queues holds it until its turn.
    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline(always)]
    fn call(&mut self, request: R) -> Self::Future {
        match self.limit.admit(self.cost.of(&request), self.patience) {
            Admission::Passed => ResponseFuture::passed(self.inner.call(request), self.obey.observer(&self.limit)),
            Admission::Refused(retry_after) => self.reject(retry_after),
            Admission::Waits(waiting) => self.call_later(waiting, request),
        }
    }
}

impl<S, C, O: Observe> RateLimited<S, C, O> {
    #[cold]
    fn reject<R>(&mut self, retry_after: Option<Duration>) -> ResponseFuture<S, R, O::Observer>
    where
        S: Service<R> + Clone,
    {
        // The instance that was polled ready may hold what others wait for.
        self.inner = self.inner.clone();
        ResponseFuture::rejected(Rejection::rate_limited(retry_after))
    }

    #[cold]
    fn call_later<R>(&mut self, waiting: Waiting, request: R) -> ResponseFuture<S, R, O::Observer>
    where
        S: Service<R> + Clone,
    {
        // The instance that was polled ready waits with the request, so that it can be sent when it is its turn; its clone
        // stays here.
        let clone = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, clone);
        ResponseFuture::waiting(waiting, inner, request, self.obey.observer(&self.limit))
    }
}
