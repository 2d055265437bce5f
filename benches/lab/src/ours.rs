//! windbreak's stack: the one place to change when it changes.

use std::time::Duration;

use windbreak::backoff::{Backoff, Jitter};
use windbreak::http::Http;
use windbreak::{
    BulkheadLayer, Circuit, CircuitBreakerLayer, Error, InvalidConfig, Rejection, RetryLayer, RetryPolicy,
    ServiceErrorLayer, TimeoutLayer,
};

use crate::setups::Told;

const TOTAL_TIMEOUT: Duration = Duration::from_secs(10);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);
const IN_FLIGHT: usize = 64;

/// The stack: a layer around a client, whatever its types.
pub(crate) type Stack =
    (TimeoutLayer, RetryLayer<Http>, CircuitBreakerLayer<Http>, BulkheadLayer, TimeoutLayer, ServiceErrorLayer);

pub(crate) fn stack(seed: u64) -> Result<Stack, InvalidConfig> {
    let open_for = Backoff::exponential(Duration::from_secs(5)).max(Duration::from_secs(60)).jitter(Jitter::Equal);
    let circuit = Circuit::builder("lab")
        .time_window(Duration::from_secs(30))
        .slow_calls(Duration::from_secs(2), 0.8)
        .open_for(open_for)
        .probes(3)
        .build()?;
    Ok((
        TimeoutLayer::new(TOTAL_TIMEOUT),
        RetryLayer::new(RetryPolicy::builder().seed(seed).build()?, Http),
        CircuitBreakerLayer::new(circuit, Http),
        BulkheadLayer::new(IN_FLIGHT)?,
        TimeoutLayer::new(ATTEMPT_TIMEOUT),
        ServiceErrorLayer,
    ))
}

/// What an error of the stack tells its caller.
#[allow(clippy::needless_pass_by_value, reason = "for `map_err`")]
pub(crate) fn told<E>(error: Error<E>) -> Told {
    use Rejection::{BulkheadFull, BulkheadTimeout, CircuitOpen, RateLimited, Timeout};

    match error {
        Error::Rejected(Timeout { .. }) => Told::TimedOut,
        Error::Rejected(CircuitOpen { .. }) => Told::Shut,
        Error::Rejected(BulkheadFull { .. } | BulkheadTimeout { .. } | RateLimited { .. }) => Told::Full,
        // It was sent, and failed.
        _ => Told::Failed,
    }
}
