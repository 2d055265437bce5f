use std::time::Duration;

use crate::backoff::Backoff;
use crate::budget::RetryBudget;

/// The numbers a policy goes by.
#[derive(Debug, Clone)]
pub(super) struct Numbers {
    pub(super) max_attempts: u32,
    pub(super) backoff: Backoff,
    pub(super) max_elapsed: Option<Duration>,
    pub(super) max_retry_after: Duration,
    pub(super) wait_for_circuit: bool,
    pub(super) budget: RetryBudget,
}
