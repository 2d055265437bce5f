use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::time::Instant;
use tower_service::Service;

use super::future::ResponseFuture;
use super::journey::Journey;
use super::policy::RetryPolicy;
use super::shared::{Config, Shared};
use super::span;
use crate::error::Rejectable;
use crate::instance::Instance;
use crate::rules::{Classify, Discard, Replay};

/// A service whose failed attempts are repeated. Made by [`RetryLayer`](super::RetryLayer).
pub struct Retry<S, R> {
    inner: S,
    shared: Instance<Shared<S, R>>,
    /// The inner service may have been changed since the spare one was made.
    stale: bool,
}

impl<S: Clone, R> Retry<S, R> {
    pub(super) fn new(inner: S, config: Arc<Config<R>>) -> Self {
        let shared = Instance::new(Shared::new(config, &inner));
        Self { inner, shared, stale: false }
    }
}

impl<S, R> Retry<S, R> {
    /// The policy.
    #[must_use]
    pub fn policy(&self) -> &RetryPolicy {
        self.shared.policy()
    }

    /// The wrapped service.
    #[must_use]
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The wrapped service. Further attempts are made by clones of it as it is at the next call.
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

impl<S: Clone, R> Clone for Retry<S, R> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), shared: self.shared.clone(), stale: self.stale }
    }
}

impl<S, R, Request> Service<Request> for Retry<S, R>
where
    S: Service<Request> + Clone,
    S::Error: Rejectable,
    R: Classify<S::Response, S::Error> + Replay<Request> + Discard<S::Response>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, Request, R>;

    /// Passes on an error of the wrapped service. There is no request yet that could be retried.
    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    /// The first attempt is made by the instance that was polled ready, further ones by a clone that is polled first.
    #[inline(always)]
    fn call(&mut self, request: Request) -> Self::Future {
        if self.stale {
            self.shared = Instance::new(self.shared.with(&self.inner));
            self.stale = false;
        }
        let started = self.shared.policy().numbers().max_elapsed.map(|_| Instant::now());
        let copy = self.shared.copy(1, &request);
        let shared = Arc::clone(self.shared.called());
        let journey = if span::may_trace_first_attempt() { Journey::traced() } else { None };
        // The call comes last, and without a detour where nobody listens: then the attempt is made where it will lie, and
        // need not be moved there.
        let Some(journey) = journey else {
            return ResponseFuture::new(self.inner.call(request), shared, copy, started, None);
        };
        let attempt = journey.span.in_scope(|| self.inner.call(request));
        ResponseFuture::new(attempt, shared, copy, started, Some(journey))
    }
}

impl<S: fmt::Debug, R> fmt::Debug for Retry<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let policy = self.shared.policy();
        f.debug_struct("Retry").field("inner", &self.inner).field("policy", policy).finish_non_exhaustive()
    }
}
