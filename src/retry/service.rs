use std::task::{Context, Poll};

use tower_service::Service;

use super::{ResponseFuture, RetryPolicy};
use crate::classify::{Classify, CloneRequest, DefaultClassifier, Replay};
use crate::error::Rejectable;

/// A service whose failed attempts are repeated. Made by [`RetryLayer`](super::RetryLayer).
#[derive(Debug)]
pub struct Retry<S, C = DefaultClassifier, P = CloneRequest> {
    inner: S,
    policy: RetryPolicy<C, P>,
}

impl<S, C, P> Retry<S, C, P> {
    pub(super) const fn new(inner: S, policy: RetryPolicy<C, P>) -> Self {
        Self { inner, policy }
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

impl<S: Clone, C, P> Clone for Retry<S, C, P> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.policy.clone())
    }
}

impl<S, C, P, R> Service<R> for Retry<S, C, P>
where
    S: Service<R> + Clone,
    S::Error: Rejectable,
    C: Classify<S::Response, S::Error>,
    P: Replay<R>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, R, C, P>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: R) -> Self::Future {
        let progress = self.policy.start();
        let copy = self.policy.copy_for_later(&progress, &request);
        // The instance that was polled ready makes the call, and any further attempts; its clone stays here.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let attempt = inner.call(request);
        ResponseFuture::new(attempt, inner, copy, self.policy.clone(), progress)
    }
}
