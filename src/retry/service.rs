use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::time::Instant;
use tower_service::Service;

use super::future::ResponseFuture;
use super::journey::Journey;
use super::policy::RetryPolicy;
use super::span;
use crate::budget::{Intake, RetryBudget};
use crate::error::Rejectable;
use crate::rules::{Classify, Discard, Effect, Replay, Verdict};
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
    /// Here, because each request writes to the count of pointers beside it anyway.
    intake: Intake,
    config: Arc<Config<R>>,
    spare: Mutex<S>,
}

impl<S, R> Drop for Shared<S, R> {
    fn drop(&mut self) {
        self.config.policy.budget().close(&self.intake);
    }
}

impl<S: Clone, R> Shared<S, R> {
    fn new(config: Arc<Config<R>>, inner: &S) -> Arc<Self> {
        Arc::new(Self { intake: config.policy.budget().intake(), config, spare: Mutex::new(inner.clone()) })
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

    #[inline]
    pub(super) fn rules(&self) -> &R {
        &self.config.rules
    }

    /// What the attempt after the `tries`-th would send; `None` if there can be none.
    #[inline]
    pub(super) fn copy<Request>(&self, tries: u32, request: &Request) -> Option<Request>
    where
        R: Replay<Request>,
    {
        let numbers = self.policy().numbers();
        // A further attempt may be rejected by our own layers, and then wait.
        let may_follow = tries < numbers.max_attempts || tries > 1 && numbers.wait_for_circuit;
        may_follow.then(|| self.rules().copy(request)).flatten()
    }

    /// Counts a request that was sent.
    #[inline]
    pub(super) fn deposit(&self) {
        self.policy().budget().deposit(&self.intake);
    }

    /// Pays for a retry, if it can, or has one that is free.
    pub(super) fn pay(&self, verdict: Verdict, had_free: &mut bool, reason: impl Fn() -> Cow<'static, str>) -> bool {
        if !*had_free && is_free(verdict) {
            *had_free = true;
            return true;
        }
        let budget = self.policy().budget();
        let paid = budget.withdraw(&self.intake);
        if !paid {
            span::budget_refused(reason, budget);
        }
        paid
    }
}

/// Whether the failure cost the upstream nothing.
fn is_free(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Failure(failure) if failure.free && failure.effect == Effect::NotApplied)
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

    /// Passes on an error of the wrapped service. There is no request yet that could be retried.
    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    /// The first attempt is made by the instance that was polled ready, further ones by a clone that is polled first.
    #[allow(
        clippy::inline_always,
        reason = "without it the future is copied once more, which costs as much as the layer"
    )]
    #[inline(always)]
    fn call(&mut self, request: Request) -> Self::Future {
        if self.stale {
            self.shared = Shared::new(Arc::clone(&self.shared.config), &self.inner);
            self.stale = false;
        }
        let started = self.shared.policy().numbers().max_elapsed.map(|_| Instant::now());
        let copy = self.shared.copy(1, &request);
        let span = span::first_attempt();
        let shared = Arc::clone(&self.shared);
        // The call comes last, and without a detour where nobody listens: then the attempt is made where it will lie, and
        // need not be moved there.
        if span.is_disabled() {
            return ResponseFuture::new(self.inner.call(request), shared, copy, started, None);
        }
        let attempt = span.in_scope(|| self.inner.call(request));
        ResponseFuture::new(attempt, shared, copy, started, Some(Journey::traced(span)))
    }
}

impl<S: fmt::Debug, R> fmt::Debug for Retry<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let policy = self.shared.policy();
        f.debug_struct("Retry").field("inner", &self.inner).field("policy", policy).finish_non_exhaustive()
    }
}
