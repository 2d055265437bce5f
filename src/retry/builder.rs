use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::SmallRng;

use super::numbers::Numbers;
use super::policy::RetryPolicy;
use crate::backoff::Backoff;
use crate::budget::RetryBudget;
use crate::config::{InvalidConfig, check_positive};

/// Puts a [`RetryPolicy`] together. Made by [`RetryPolicy::builder`].
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it is built"]
pub struct RetryPolicyBuilder {
    max_attempts: u32,
    backoff: Backoff,
    max_elapsed: Option<Duration>,
    max_retry_after: Duration,
    wait_for_circuit: bool,
    budget: Option<RetryBudget>,
    seed: Option<u64>,
}

impl RetryPolicy {
    /// Starts with the defaults.
    pub fn builder() -> RetryPolicyBuilder {
        RetryPolicyBuilder::new()
    }
}

impl RetryPolicyBuilder {
    pub(super) fn new() -> Self {
        Self {
            max_attempts: 3,
            backoff: Backoff::exponential(Duration::from_millis(50)).factor(4.0).max(Duration::from_secs(5)),
            max_elapsed: None,
            max_retry_after: Duration::from_secs(60),
            wait_for_circuit: false,
            budget: None,
            seed: None,
        }
    }

    /// How many attempts are made at most, counting the first. At least 1. Default: 3.
    pub fn max_attempts(self, attempts: u32) -> Self {
        Self { max_attempts: attempts, ..self }
    }

    /// How long to pause before each further attempt. Default: 50 ms, four times as long each time up to 5 s, with jitter
    /// down to half: the first pause is for what is well again at once, the second is as long as a quick restart.
    pub fn backoff(self, backoff: impl Into<Backoff>) -> Self {
        Self { backoff: backoff.into(), ..self }
    }

    /// Begins no pause that would end later than this after the first attempt started. Default: no bound.
    pub fn max_elapsed(self, max_elapsed: Duration) -> Self {
        Self { max_elapsed: Some(max_elapsed), ..self }
    }

    /// The longest wait that is obeyed, whether the upstream asks for it (`Retry-After`), or a circuit or rate limit below.
    /// Whatever asks for more ends the request at once. Default: 60 s.
    pub fn max_retry_after(self, max_retry_after: Duration) -> Self {
        Self { max_retry_after, ..self }
    }

    /// Whether a *further* attempt that an open circuit or a rate limit below rejects waits as long as that says, plus up
    /// to a tenth of it and the jittered backoff, and tries again. Default: no, the request ends with what is known of the
    /// attempts that were sent.
    ///
    /// It waits at most three times one after the other, and only if the wait ends before the deadline, within
    /// [`max_elapsed`](Self::max_elapsed) and [`max_retry_after`](Self::max_retry_after). An attempt that was rejected
    /// was not sent: it uses up none of [`max_attempts`](Self::max_attempts) and is not paid from the budget again. A
    /// *first* attempt that meets an open circuit fails at once in any case.
    pub fn wait_for_circuit(self, wait_for_circuit: bool) -> Self {
        Self { wait_for_circuit, ..self }
    }

    /// Pays for retries from `budget`. Give the same one to all policies that call the same upstream.
    pub fn budget(self, budget: RetryBudget) -> Self {
        Self { budget: Some(budget), ..self }
    }

    /// Pays from `budget` unless the user has set one.
    pub(crate) fn default_budget(self, budget: RetryBudget) -> Self {
        Self { budget: self.budget.or(Some(budget)), ..self }
    }

    /// Draws the jitter from this seed, so that a test sees the same pauses each time.
    pub fn seed(self, seed: u64) -> Self {
        Self { seed: Some(seed), ..self }
    }

    pub(crate) const fn attempts(&self) -> u32 {
        self.max_attempts
    }

    /// The policy. Unless [`budget`](Self::budget) was given one, each policy that is built has a budget of its own.
    ///
    /// # Errors
    ///
    /// If there is to be no attempt, `max_elapsed` is zero, or the backoff contradicts itself.
    pub fn build(self) -> Result<RetryPolicy, InvalidConfig> {
        if self.max_attempts == 0 {
            return Err(InvalidConfig::new("max_attempts", 0, "at least 1, the first attempt"));
        }
        self.backoff.validate_as("backoff")?;
        if let Some(max_elapsed) = self.max_elapsed {
            check_positive("max_elapsed", max_elapsed)?;
        }
        let numbers = Numbers {
            max_attempts: self.max_attempts,
            backoff: self.backoff,
            max_elapsed: self.max_elapsed,
            max_retry_after: self.max_retry_after,
            wait_for_circuit: self.wait_for_circuit,
            budget: self.budget.unwrap_or_default(),
        };
        Ok(RetryPolicy::new(numbers, self.seed.map_or_else(rand::make_rng, SmallRng::seed_from_u64)))
    }
}
