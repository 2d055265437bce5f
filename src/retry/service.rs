use std::task::{Context, Poll};

use tower_service::Service;

use super::future::attempt_span;
use super::{Dispose, DropAnswer, ResponseFuture, RetryPolicy};
use crate::classify::{Classify, CloneRequest, DefaultClassifier, Replay};
use crate::error::Rejectable;

/// A service whose failed attempts are repeated. Made by [`RetryLayer`](super::RetryLayer).
#[derive(Debug)]
pub struct Retry<S, C = DefaultClassifier, P = CloneRequest, D = DropAnswer> {
    inner: S,
    policy: RetryPolicy<C, P, D>,
}

impl<S, C, P, D> Retry<S, C, P, D> {
    pub(super) const fn new(inner: S, policy: RetryPolicy<C, P, D>) -> Self {
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

impl<S: Clone, C, P, D> Clone for Retry<S, C, P, D> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.policy.clone())
    }
}

impl<S, C, P, D, R> Service<R> for Retry<S, C, P, D>
where
    S: Service<R> + Clone,
    S::Error: Rejectable,
    C: Classify<S::Response, S::Error>,
    P: Replay<R>,
    D: Dispose<S::Response>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, R, C, P, D>;

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
        let span = attempt_span(0);
        let attempt = span.in_scope(|| inner.call(request));
        ResponseFuture::new(attempt, span, inner, copy, self.policy.clone(), progress)
    }
}
