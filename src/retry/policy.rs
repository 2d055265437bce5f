use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::SmallRng;
use tokio::time::Instant;

use super::budget::RetryBudget;
use super::builder::{Numbers, RetryPolicyBuilder};
use crate::attempts::Attempts;
use crate::backoff::Waits;
use crate::rules::{Effect, Idempotency, Verdict};
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
#[derive(Clone)]
pub struct RetryPolicy {
    shared: Arc<Shared>,
}

struct Shared {
    numbers: Numbers,
    rng: Mutex<SmallRng>,
}

/// How far one request has come.
#[derive(Debug, Clone)]
pub(super) struct Progress {
    /// Read only where there is a bound on the time elapsed.
    started: Option<Instant>,
    waits: Waits,
    /// There are none before the first retry.
    pub(super) attempts: Option<Box<Attempts>>,
}

impl Progress {
    /// How many attempts were made, counting the one under way.
    pub(super) fn count(&self) -> u32 {
        self.attempts.as_ref().map_or(1, |attempts| attempts.count())
    }
}

impl RetryPolicy {
    /// Starts with the defaults.
    pub fn builder() -> RetryPolicyBuilder {
        RetryPolicyBuilder::new()
    }

    pub(super) fn new(numbers: Numbers, rng: SmallRng) -> Self {
        Self { shared: Arc::new(Shared { numbers, rng: Mutex::new(rng) }) }
    }

    /// Another policy of the same numbers, with a budget of its own.
    #[must_use]
    pub fn sibling(&self) -> Self {
        let numbers = &self.shared.numbers;
        Self::new(Numbers { budget: numbers.budget.sibling(), ..numbers.clone() }, rand::make_rng())
    }

    fn numbers(&self) -> &Numbers {
        &self.shared.numbers
    }

    /// The budget that pays for the retries.
    #[must_use]
    pub fn budget(&self) -> &RetryBudget {
        &self.numbers().budget
    }

    /// Starts on a request.
    #[inline]
    pub(super) fn start(&self) -> Progress {
        let numbers = self.numbers();
        numbers.budget.deposit();
        Progress { started: numbers.max_elapsed.map(|_| Instant::now()), waits: Waits::default(), attempts: None }
    }

    /// Whether there may be an attempt after this one.
    #[inline]
    pub(super) fn may_try_again(&self, progress: &Progress) -> bool {
        progress.count() < self.numbers().max_attempts
    }

    /// The pause before the next attempt; `None` if there is to be none.
    pub(super) fn pause(
        &self,
        verdict: Verdict,
        progress: &mut Progress,
        idempotency: impl FnOnce() -> Idempotency,
        deadline: Option<Instant>,
    ) -> Option<Duration> {
        let numbers = self.numbers();
        let safe = match verdict {
            Verdict::Failure(failure) if failure.permanent => false,
            Verdict::Failure(failure) => failure.effect == Effect::NotApplied || idempotency().is_repeatable(),
            Verdict::Throttled { effect, .. } => effect == Effect::NotApplied || idempotency().is_repeatable(),
            Verdict::InProgress { .. } => idempotency() == Idempotency::Keyed,
            Verdict::Success | Verdict::Declined | Verdict::Ignored => false,
        };
        if !safe {
            return None;
        }
        let mut pause = {
            let mut rng = self.shared.rng.lock().unwrap_or_else(PoisonError::into_inner);
            progress.waits.next(&numbers.backoff, &mut *rng)
        };
        if let Some(retry_after) = verdict.retry_after() {
            if retry_after > numbers.max_retry_after {
                return None;
            }
            // Added, so that callers who were told the same moment do not all come back at it.
            pause = pause.saturating_add(retry_after);
        }
        if let (Some(max_elapsed), Some(started)) = (numbers.max_elapsed, progress.started) {
            if started.elapsed().saturating_add(pause) > max_elapsed {
                return None;
            }
        }
        // To sleep past the deadline would be to sleep until nobody waits any more.
        if deadline.is_some_and(|deadline| Instant::now().checked_add(pause).is_none_or(|end| end >= deadline)) {
            return None;
        }
        // Last, so that nothing is paid for a retry that does not happen.
        numbers.budget.withdraw().then_some(pause)
    }
}

impl fmt::Debug for RetryPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryPolicy").field("numbers", self.numbers()).finish_non_exhaustive()
    }
}
