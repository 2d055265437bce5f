use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::SmallRng;

use super::numbers::Numbers;
use crate::backoff::Waits;
use crate::budget::RetryBudget;
use crate::sync::{Mutex, PoisonError};

/// When to try again, and after which pause. Cheap to clone; all clones share the budget and the generator.
///
/// | setter | default |
/// |---|---|
/// | [`max_attempts`](super::RetryPolicyBuilder::max_attempts) | 3, counting the first |
/// | [`backoff`](super::RetryPolicyBuilder::backoff) | from 50 ms, four times as long each time up to 5 s, with jitter down to half |
/// | [`max_elapsed`](super::RetryPolicyBuilder::max_elapsed) | no bound |
/// | [`max_retry_after`](super::RetryPolicyBuilder::max_retry_after) | 60 s |
/// | [`wait_for_circuit`](super::RetryPolicyBuilder::wait_for_circuit) | off |
/// | [`budget`](super::RetryPolicyBuilder::budget) | its own: 20 % of the requests over 10 s, plus 10 |
#[derive(Clone)]
pub struct RetryPolicy {
    shared: Arc<Shared>,
}

struct Shared {
    numbers: Numbers,
    rng: Mutex<SmallRng>,
}

impl RetryPolicy {
    pub(super) fn new(numbers: Numbers, rng: SmallRng) -> Self {
        Self { shared: Arc::new(Shared { numbers, rng: Mutex::new(rng) }) }
    }

    /// Another policy of the same numbers, with a budget of its own.
    #[must_use]
    pub fn sibling(&self) -> Self {
        let numbers = &self.shared.numbers;
        Self::new(Numbers { budget: numbers.budget.sibling(), ..numbers.clone() }, rand::make_rng())
    }

    #[inline]
    pub(super) fn numbers(&self) -> &Numbers {
        &self.shared.numbers
    }

    /// The budget that pays for the retries.
    #[must_use]
    pub fn budget(&self) -> &RetryBudget {
        &self.numbers().budget
    }

    /// The next jittered backoff, and what spreads those who were told to wait for `told`.
    pub(super) fn draw(&self, waits: &mut Waits, told: Duration) -> Duration {
        let mut rng = self.shared.rng.lock().unwrap_or_else(PoisonError::into_inner);
        let backoff = &self.numbers().backoff;
        waits.next(backoff, &mut *rng).saturating_add(backoff.spread(told, &mut *rng))
    }
}

impl fmt::Debug for RetryPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryPolicy").field("numbers", self.numbers()).finish_non_exhaustive()
    }
}
