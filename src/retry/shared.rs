use std::borrow::Cow;
use std::sync::Arc;

use super::policy::RetryPolicy;
use super::span;
use crate::budget::Intake;
use crate::rules::{Effect, Replay, Verdict};
use crate::sharing::Line;
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
    /// Each request writes here, and only reads the rest.
    intake: Line<Intake>,
    pub(super) config: Arc<Config<R>>,
    spare: Mutex<S>,
}

impl<S, R> Drop for Shared<S, R> {
    fn drop(&mut self) {
        self.config.policy.budget().close(&self.intake);
    }
}

impl<S: Clone, R> Shared<S, R> {
    pub(super) fn new(config: Arc<Config<R>>, inner: &S) -> Arc<Self> {
        Arc::new(Self { intake: Line(config.policy.budget().intake()), config, spare: Mutex::new(inner.clone()) })
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
