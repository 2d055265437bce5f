use std::time::Duration;

use super::counts::DeadLetterCounts;

/// What all services of a layer have in common.
#[derive(Debug, Clone)]
pub(super) struct Shared<R, K> {
    pub(super) rules: R,
    pub(super) sink: K,
    pub(super) timeout: Duration,
    pub(super) counts: DeadLetterCounts,
}
