use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use tower_service::Service;

use super::future::attempt_span;
use super::{Dispose, DropAnswer, ResponseFuture, RetryPolicy};
use crate::classify::{Classify, CloneRequest, DefaultClassifier, Replay};
use crate::error::Rejectable;
use crate::sync::{Mutex, PoisonError};

/// A service whose failed attempts are repeated. Made by [`RetryLayer`](super::RetryLayer).
pub struct Retry<S, C = DefaultClassifier, P = CloneRequest, D = DropAnswer> {
    inner: S,
    shared: Arc<Shared<S, C, P, D>>,
    /// The inner service may have been changed since the spare one was made.
    stale: bool,
}

/// What the future of a request needs only once an attempt has failed: a healthy one clones a pointer to it, and not the
/// services of all layers below.
pub(super) struct Shared<S, C, P, D> {
    pub(super) policy: RetryPolicy<C, P, D>,
    spare: Mutex<S>,
}

impl<S: Clone, C, P, D> Shared<S, C, P, D> {
    fn new(policy: RetryPolicy<C, P, D>, inner: &S) -> Arc<Self> {
        Arc::new(Self { policy, spare: Mutex::new(inner.clone()) })
    }

    /// A service for further attempts.
    pub(super) fn service(&self) -> S {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<S: Clone, C, P, D> Retry<S, C, P, D> {
    pub(super) fn new(inner: S, policy: RetryPolicy<C, P, D>) -> Self {
        let shared = Shared::new(policy, &inner);
        Self { inner, shared, stale: false }
    }
}

impl<S, C, P, D> Retry<S, C, P, D> {
    /// The wrapped service.
    #[must_use]
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The wrapped service.
    #[must_use]
    pub const fn get_mut(&mut self) -> &mut S {
        self.stale = true;
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
        Self { inner: self.inner.clone(), shared: Arc::clone(&self.shared), stale: self.stale }
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

    /// The first attempt is made by the instance that was polled ready, further ones by a clone that is polled first.
    #[inline]
    fn call(&mut self, request: R) -> Self::Future {
        if self.stale {
            self.shared = Shared::new(self.shared.policy.clone(), &self.inner);
            self.stale = false;
        }
        let progress = self.shared.policy.start();
        let copy = self.shared.policy.copy_for_later(&progress, &request);
        let span = attempt_span(0);
        let shared = Arc::clone(&self.shared);
        // The call comes last, and without a detour where nobody listens: then the attempt is made where it will lie, and
        // need not be moved there.
        if span.is_disabled() {
            return ResponseFuture::new(self.inner.call(request), span, copy, shared, progress);
        }
        let attempt = span.in_scope(|| self.inner.call(request));
        ResponseFuture::new(attempt, span, copy, shared, progress)
    }
}

impl<S: fmt::Debug, C, P, D> fmt::Debug for Retry<S, C, P, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry").field("inner", &self.inner).field("policy", &self.shared.policy).finish_non_exhaustive()
    }
}
