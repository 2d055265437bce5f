use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use tower_service::Service;

use super::budget::RetryBudget;
use super::future::ResponseFuture;
use super::policy::RetryPolicy;
use super::span::attempt_span;
use crate::error::Rejectable;
use crate::rules::{Classify, Discard, Replay};
use crate::sync::{Mutex, PoisonError};

/// A service whose failed attempts are repeated. Made by [`RetryLayer`](super::RetryLayer).
pub struct Retry<S, R> {
    inner: S,
    shared: Arc<Shared<S, R>>,
    /// The inner service may have been changed since the spare one was made.
    stale: bool,
}

/// What all services of a layer have in common.
#[derive(Debug)]
pub(super) struct Config<R> {
    pub(super) policy: RetryPolicy,
    pub(super) rules: R,
}

/// What the future of a request needs only once an attempt has failed: a healthy one clones a pointer to it, and not the
/// services of all layers below.
pub(super) struct Shared<S, R> {
    config: Arc<Config<R>>,
    spare: Mutex<S>,
}

impl<S: Clone, R> Shared<S, R> {
    fn new(config: Arc<Config<R>>, inner: &S) -> Arc<Self> {
        Arc::new(Self { config, spare: Mutex::new(inner.clone()) })
    }

    /// A service for further attempts.
    pub(super) fn service(&self) -> S {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<S, R> Shared<S, R> {
    pub(super) fn policy(&self) -> &RetryPolicy {
        &self.config.policy
    }

    pub(super) fn rules(&self) -> &R {
        &self.config.rules
    }
}

impl<S: Clone, R> Retry<S, R> {
    pub(super) fn new(inner: S, config: Arc<Config<R>>) -> Self {
        let shared = Shared::new(config, &inner);
        Self { inner, shared, stale: false }
    }
}

impl<S, R> Retry<S, R> {
    /// What pays for the retries.
    pub(crate) fn budget(&self) -> &RetryBudget {
        self.shared.policy().budget()
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
        Self { inner: self.inner.clone(), shared: Arc::clone(&self.shared), stale: self.stale }
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

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    /// The first attempt is made by the instance that was polled ready, further ones by a clone that is polled first.
    #[inline]
    fn call(&mut self, request: Request) -> Self::Future {
        if self.stale {
            self.shared = Shared::new(Arc::clone(&self.shared.config), &self.inner);
            self.stale = false;
        }
        let progress = self.shared.policy().start();
        let may_try_again = self.shared.policy().may_try_again(&progress);
        let copy = may_try_again.then(|| self.shared.rules().copy(&request)).flatten();
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

impl<S: fmt::Debug, R> fmt::Debug for Retry<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let policy = self.shared.policy();
        f.debug_struct("Retry").field("inner", &self.inner).field("policy", policy).finish_non_exhaustive()
    }
}
