use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use tokio::time::Instant;

use super::RetryBudget;
use crate::backoff::{Backoff, Waits};
use crate::classify::{CloneRequest, DefaultClassifier, Effect, Replay, Verdict};
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
pub struct RetryPolicy<C = DefaultClassifier, P = CloneRequest> {
    shared: Arc<Shared<C, P>>,
}

struct Shared<C, P> {
    rules: Rules,
    classifier: C,
    replay: P,
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
pub struct RetryPolicyBuilder<C = DefaultClassifier, P = CloneRequest> {
    rules: Rules,
    classifier: C,
    replay: P,
    seed: Option<u64>,
}

/// How far one request has come.
#[derive(Debug, Clone)]
pub(super) struct Progress {
    pub(super) attempts: u32,
    /// Read only where there is a bound on the time elapsed.
    started: Option<Instant>,
    waits: Waits,
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
            seed: None,
        }
    }
}

impl<C, P> RetryPolicy<C, P> {
    pub(super) fn classifier(&self) -> &C {
        &self.shared.classifier
    }

    fn replay(&self) -> &P {
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
        Progress { attempts: 1, started: rules.max_elapsed.map(|_| Instant::now()), waits: Waits::default() }
    }

    /// What the attempt after this one would send; `None` if there is none.
    #[inline]
    pub(super) fn copy_for_later<R>(&self, progress: &Progress, request: &R) -> Option<R>
    where
        P: Replay<R>,
    {
        (progress.attempts < self.rules().max_attempts).then(|| self.replay().replay(request)).flatten()
    }

    /// The pause before the next attempt; `None` if there is to be none.
    ///
    /// `is_idempotent` is asked only if it matters.
    pub(super) fn pause(
        &self,
        verdict: Verdict,
        progress: &mut Progress,
        is_idempotent: impl FnOnce(&P) -> bool,
    ) -> Option<Duration> {
        let rules = self.rules();
        let Verdict::Failure(failure) = verdict else { return None };
        if progress.attempts >= rules.max_attempts {
            return None;
        }
        let safe = failure.effect == Effect::None || rules.assume_idempotent || is_idempotent(self.replay());
        if !safe {
            return None;
        }
        let mut pause = {
            let mut rng = self.shared.rng.lock().unwrap_or_else(PoisonError::into_inner);
            progress.waits.next(&rules.backoff, &mut *rng)
        };
        if let Some(retry_after) = failure.retry_after {
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

impl<C, P> RetryPolicyBuilder<C, P> {
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

    /// Starts no further attempt later than this after the first one started.
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
    pub fn classify<D>(self, classifier: D) -> RetryPolicyBuilder<D, P> {
        RetryPolicyBuilder { rules: self.rules, classifier, replay: self.replay, seed: self.seed }
    }

    /// Copies requests, and knows which are idempotent, by `replay`.
    pub fn replay<Q>(self, replay: Q) -> RetryPolicyBuilder<C, Q> {
        RetryPolicyBuilder { rules: self.rules, classifier: self.classifier, replay, seed: self.seed }
    }

    /// Draws the jitter from this seed, so that a test sees the same pauses each time.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// The policy.
    ///
    /// # Errors
    ///
    /// If there is to be no attempt, a bound on time is zero, or the backoff contradicts itself.
    pub fn build(self) -> Result<RetryPolicy<C, P>, InvalidConfig> {
        let rules = self.rules;
        if rules.max_attempts == 0 {
            return Err(InvalidConfig::new("max_attempts", 0, "at least 1, the first attempt"));
        }
        rules.backoff.validate_as("backoff")?;
        if let Some(max_elapsed) = rules.max_elapsed {
            check_positive("max_elapsed", max_elapsed)?;
        }
        let rng = Mutex::new(self.seed.map_or_else(rand::make_rng, SmallRng::seed_from_u64));
        let shared = Shared { rules, classifier: self.classifier, replay: self.replay, rng };
        Ok(RetryPolicy { shared: Arc::new(shared) })
    }
}

impl<C, P> Clone for RetryPolicy<C, P> {
    #[inline]
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<C, P> fmt::Debug for RetryPolicy<C, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryPolicy").field("rules", self.rules()).finish_non_exhaustive()
    }
}
