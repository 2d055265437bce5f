//! windbreak's stack: the one place to change when it changes.

use windbreak::stack::HttpStack;
use windbreak::{Error, InvalidConfig, Rejection, Stack};

use crate::setups::Told;

/// With no number of it changed, but for the jitter, which is drawn from `seed`.
pub(crate) fn stack(seed: u64) -> Result<HttpStack, InvalidConfig> {
    Stack::http("lab").retry(|retry| retry.seed(seed)).build()
}

/// What an error of the stack tells its caller.
#[allow(clippy::needless_pass_by_value, reason = "for `map_err`")]
pub(crate) fn told<E>(error: Error<E>) -> Told {
    use Rejection::{BulkheadFull, BulkheadTimeout, CircuitOpen, RateLimited, Throttled, Timeout};

    match error.rejection() {
        Some(Timeout { .. }) => Told::TimedOut,
        Some(CircuitOpen { .. } | Throttled { .. }) => Told::Shut,
        Some(BulkheadFull { .. } | BulkheadTimeout { .. } | RateLimited { .. }) => Told::Full,
        // It was sent, and failed.
        _ => Told::Failed,
    }
}
