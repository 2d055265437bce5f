use std::borrow::Cow;
use std::sync::Arc;

use super::policy::RetryPolicy;
use super::span;
use crate::budget::{Intake, RetryBudget};
use crate::rules::{Effect, Replay, Verdict};
use crate::sync::{Mutex, PoisonError};

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
    written: Arc<Written<S>>,
}

/// Apart from the configuration, since each request writes to the intake.
struct Written<S> {
    intake: Intake,
    budget: RetryBudget,
    spare: Mutex<S>,
}

impl<S> Drop for Written<S> {
    fn drop(&mut self) {
        self.budget.close(&self.intake);
    }
}

impl<S: Clone, R> Shared<S, R> {
    pub(super) fn new(config: Arc<Config<R>>, inner: &S) -> Self {
        let budget = config.policy.budget().clone();
        let written = Written { intake: budget.intake(), budget, spare: Mutex::new(inner.clone()) };
        Self { config, written: Arc::new(written) }
    }

    /// The same for another service.
    pub(super) fn with(&self, inner: &S) -> Self {
        Self::new(Arc::clone(&self.config), inner)
    }

    /// A service for further attempts.
    pub(super) fn service(&self) -> S {
        self.written.spare.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<S, R> Clone for Shared<S, R> {
    fn clone(&self) -> Self {
        Self { config: Arc::clone(&self.config), written: Arc::clone(&self.written) }
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
        self.written.budget.deposit(&self.written.intake);
    }

    /// Pays for a retry, if it can, or has one that is free.
    pub(super) fn pay(&self, verdict: Verdict, had_free: &mut bool, reason: impl Fn() -> Cow<'static, str>) -> bool {
        if !*had_free && is_free(verdict) {
            *had_free = true;
            return true;
        }
        let Written { intake, budget, .. } = &*self.written;
        let paid = budget.withdraw(intake);
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
