use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use tokio::time::Instant;
use tracing::Span;

use super::{Attempts, Dispose, DropAnswer, RetryBudget};
use crate::backoff::{Backoff, Waits};
use crate::classify::{Classify, CloneRequest, DefaultClassifier, Effect, Replay, Verdict};
use crate::deadline::{deadline, now};
use crate::error::{InvalidConfig, check_positive};
use crate::sync::{Mutex, PoisonError};

/// When to try again, and after which pause. Cheap to clone; all clones share the budget and the generator.
///
/// | setter | default |
/// |---|---|
/// | [`max_attempts`](RetryPolicyBuilder::max_attempts) | 3, counting the first |
/// | [`backoff`](RetryPolicyBuilder::backoff) | from 100 ms, doubling up to 5 s, with full jitter |
/// | [`max_elapsed`](RetryPolicyBuilder::max_elapsed) | no bound |
/// | [`max_retry_after`](RetryPolicyBuilder::max_retry_after) | 60 s |
/// | [`budget`](RetryPolicyBuilder::budget) | 20 % of the requests over 10 s, plus 10 |
/// | [`assume_idempotent`](RetryPolicyBuilder::assume_idempotent) | `false` |
/// | [`classify`](RetryPolicyBuilder::classify) | [`DefaultClassifier`] |
/// | [`replay`](RetryPolicyBuilder::replay) | [`CloneRequest`] |
/// | [`dispose`](RetryPolicyBuilder::dispose) | [`DropAnswer`] |
pub struct RetryPolicy<C = DefaultClassifier, P = CloneRequest, D = DropAnswer> {
    shared: Arc<Shared<C, P, D>>,
}

struct Shared<C, P, D> {
    rules: Rules,
    classifier: C,
    replay: P,
    dispose: D,
    rng: Mutex<SmallRng>,
}

#[derive(Debug, Clone)]
struct Rules {
    max_attempts: u32,
    backoff: Backoff,
    max_elapsed: Option<Duration>,
    max_retry_after: Duration,
    budget: RetryBudget,
    assume_idempotent: bool,
}

/// Puts a [`RetryPolicy`] together. Made by [`RetryPolicy::builder`].
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it is built"]
pub struct RetryPolicyBuilder<C = DefaultClassifier, P = CloneRequest, D = DropAnswer> {
    rules: Rules,
    classifier: C,
    replay: P,
    dispose: D,
    seed: Option<u64>,
}

/// How far one request has come.
#[derive(Debug, Clone)]
pub(super) struct Progress {
    pub(super) attempts: u32,
    /// Read only where there is a bound on the time elapsed.
    started: Option<Instant>,
    waits: Waits,
    /// There is none before the first retry.
    pub(super) history: Option<Box<Attempts>>,
}

impl RetryPolicy {
    /// Starts with the defaults.
    pub fn builder() -> RetryPolicyBuilder {
        RetryPolicyBuilder {
            rules: Rules {
                max_attempts: 3,
                backoff: Backoff::exponential(Duration::from_millis(100)).max(Duration::from_secs(5)),
                max_elapsed: None,
                max_retry_after: Duration::from_secs(60),
                budget: RetryBudget::default(),
                assume_idempotent: false,
            },
            classifier: DefaultClassifier,
            replay: CloneRequest,
            dispose: DropAnswer,
            seed: None,
        }
    }
}

impl<C: Clone, P: Clone, D: Clone> RetryPolicy<C, P, D> {
    /// Another policy by the same rules, with a budget of its own.
    #[must_use]
    pub fn sibling(&self) -> Self {
        let Shared { rules, classifier, replay, dispose, .. } = &*self.shared;
        let rules = Rules { budget: rules.budget.sibling(), ..rules.clone() };
        Self {
            shared: Arc::new(Shared {
                rules,
                classifier: classifier.clone(),
                replay: replay.clone(),
                dispose: dispose.clone(),
                rng: Mutex::new(rand::make_rng()),
            }),
        }
    }
}

impl<C, P, D> RetryPolicy<C, P, D> {
    pub(super) fn classifier(&self) -> &C {
        &self.shared.classifier
    }

    pub(super) fn dispose(&self) -> &D {
        &self.shared.dispose
    }

    pub(super) fn replay(&self) -> &P {
        &self.shared.replay
    }

    fn rules(&self) -> &Rules {
        &self.shared.rules
    }

    /// Starts on a request.
    #[inline]
    pub(super) fn start(&self) -> Progress {
        let rules = self.rules();
        rules.budget.deposit();
        Progress {
            attempts: 1,
            started: rules.max_elapsed.map(|_| Instant::now()),
            waits: Waits::default(),
            history: None,
        }
    }

    /// What the attempt after this one would send; `None` if there is none.
    #[inline]
    pub(super) fn copy_for_later<R>(&self, progress: &Progress, request: &R) -> Option<R>
    where
        P: Replay<R>,
    {
        (progress.attempts < self.rules().max_attempts).then(|| self.replay().replay(request)).flatten()
    }

    /// What to do with the result of an attempt: pause and try again, or, with `None`, return it.
    #[inline]
    pub(super) fn judge<T, E, R>(
        &self,
        result: Result<&T, &E>,
        copy: Option<&R>,
        progress: &mut Progress,
        span: &Span,
    ) -> Option<Duration>
    where
        C: Classify<T, E>,
        P: Replay<R>,
    {
        match self.classifier().classify(result) {
            Verdict::Success => None,
            verdict => self.judge_again(verdict, result, copy, progress, span),
        }
    }

    #[cold]
    fn judge_again<T, E, R>(
        &self,
        verdict: Verdict,
        result: Result<&T, &E>,
        copy: Option<&R>,
        progress: &mut Progress,
        span: &Span,
    ) -> Option<Duration>
    where
        C: Classify<T, E>,
        P: Replay<R>,
    {
        let pause = copy.and_then(|request| self.pause(verdict, progress, request));
        if pause.is_some() || !span.is_disabled() {
            let reason = self.classifier().error_type(result);
            span.record("error.type", &*reason);
            if let Some(pause) = pause {
                let history = progress.history.get_or_insert_default();
                history.reasons.push(reason);
                history.paused = history.paused.saturating_add(pause);
            }
        }
        pause
    }

    /// Notes in an answer what it took to get it, if it took more than one attempt.
    #[inline]
    pub(super) fn mark<T, E>(&self, result: &mut Result<T, E>, progress: &Progress)
    where
        D: Dispose<T>,
    {
        if let (Ok(answer), Some(attempts)) = (result, &progress.history) {
            self.dispose().mark(answer, attempts);
        }
    }

    /// The pause before the next attempt of `request`; `None` if there is to be none.
    fn pause<R>(&self, verdict: Verdict, progress: &mut Progress, request: &R) -> Option<Duration>
    where
        P: Replay<R>,
    {
        let rules = self.rules();
        let (safe, retry_after) = match verdict {
            Verdict::Failure(failure) => (
                failure.effect == Effect::None || rules.assume_idempotent || self.replay().is_idempotent(request),
                failure.retry_after,
            ),
            Verdict::InProgress { retry_after } => (self.replay().is_keyed(request), retry_after),
            Verdict::Success | Verdict::Refused | Verdict::Ignored => return None,
        };
        if !safe {
            return None;
        }
        let mut pause = {
            let mut rng = self.shared.rng.lock().unwrap_or_else(PoisonError::into_inner);
            progress.waits.next(&rules.backoff, &mut *rng)
        };
        if let Some(retry_after) = retry_after {
            if retry_after > rules.max_retry_after {
                return None;
            }
            pause = pause.max(retry_after);
        }
        if let (Some(max_elapsed), Some(started)) = (rules.max_elapsed, progress.started) {
            if started.elapsed().saturating_add(pause) > max_elapsed {
                return None;
            }
        }
        // To sleep past the deadline would be to sleep until nobody waits any more.
        if deadline().is_some_and(|deadline| now().checked_add(pause).is_none_or(|end| end >= deadline)) {
            return None;
        }
        // Last, so that nothing is paid for a retry that does not happen.
        if !rules.budget.withdraw() {
            return None;
        }
        progress.attempts += 1;
        Some(pause)
    }
}

impl<C, P, D> RetryPolicyBuilder<C, P, D> {
    /// How often to try at the most, counting the first attempt. At least 1.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.rules.max_attempts = attempts;
        self
    }

    /// How long to pause before each further attempt.
    pub fn backoff(mut self, backoff: impl Into<Backoff>) -> Self {
        self.rules.backoff = backoff.into();
        self
    }

    /// Begins no pause that would end later than this after the first attempt started.
    pub fn max_elapsed(mut self, max_elapsed: Duration) -> Self {
        self.rules.max_elapsed = Some(max_elapsed);
        self
    }

    /// If the callee asks to be left alone for longer than this, gives up at once.
    pub fn max_retry_after(mut self, max_retry_after: Duration) -> Self {
        self.rules.max_retry_after = max_retry_after;
        self
    }

    /// Pays for retries from `budget`.
    pub fn budget(mut self, budget: RetryBudget) -> Self {
        self.rules.budget = budget;
        self
    }

    /// Takes every request for idempotent: sending it twice is the same as sending it once. Only say so if it is.
    pub fn assume_idempotent(mut self, idempotent: bool) -> Self {
        self.rules.assume_idempotent = idempotent;
        self
    }

    /// Judges answers by `classifier`.
    pub fn classify<T>(self, classifier: T) -> RetryPolicyBuilder<T, P, D> {
        let Self { rules, replay, dispose, seed, .. } = self;
        RetryPolicyBuilder { rules, classifier, replay, dispose, seed }
    }

    /// Copies requests, and knows which are idempotent, by `replay`.
    pub fn replay<T>(self, replay: T) -> RetryPolicyBuilder<C, T, D> {
        let Self { rules, classifier, dispose, seed, .. } = self;
        RetryPolicyBuilder { rules, classifier, replay, dispose, seed }
    }

    /// Does away with refused answers by `dispose`.
    pub fn dispose<T>(self, dispose: T) -> RetryPolicyBuilder<C, P, T> {
        let Self { rules, classifier, replay, seed, .. } = self;
        RetryPolicyBuilder { rules, classifier, replay, dispose, seed }
    }

    /// Draws the jitter from this seed, so that a test sees the same pauses each time.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    #[cfg(feature = "http")]
    pub(crate) fn attempts(&self) -> u32 {
        self.rules.max_attempts
    }

    /// The policy.
    ///
    /// # Errors
    ///
    /// If there is to be no attempt, a bound on time is zero, or the backoff contradicts itself.
    pub fn build(self) -> Result<RetryPolicy<C, P, D>, InvalidConfig> {
        let rules = self.rules;
        if rules.max_attempts == 0 {
            return Err(InvalidConfig::new("max_attempts", 0, "at least 1, the first attempt"));
        }
        rules.backoff.validate_as("backoff")?;
        if let Some(max_elapsed) = rules.max_elapsed {
            check_positive("max_elapsed", max_elapsed)?;
        }
        let rng = Mutex::new(self.seed.map_or_else(rand::make_rng, SmallRng::seed_from_u64));
        let Self { classifier, replay, dispose, .. } = self;
        let shared = Shared { rules, classifier, replay, dispose, rng };
        Ok(RetryPolicy { shared: Arc::new(shared) })
    }
}

impl<C, P, D> Clone for RetryPolicy<C, P, D> {
    #[inline]
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<C, P, D> fmt::Debug for RetryPolicy<C, P, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryPolicy").field("rules", self.rules()).finish_non_exhaustive()
    }
}
