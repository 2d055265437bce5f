//! windbreak's stack: the one place to change when it changes.

use std::time::Duration;

use http::{Request, Response};
use tower::{Service, ServiceBuilder, ServiceExt as _};
use windbreak::backoff::{Backoff, Jitter};
use windbreak::http::Http;
use windbreak::{
    BulkheadLayer, Circuit, CircuitBreakerLayer, Error, InvalidConfig, Rejection, RetryLayer, RetryPolicy,
    ServiceErrorLayer, TimeoutLayer,
};

use crate::setups::Told;
use crate::upstream::{Body, Order, Upstream};

const TOTAL_TIMEOUT: Duration = Duration::from_secs(10);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);
const IN_FLIGHT: usize = 64;

/// The stack in front of `upstream`, and what it tells its caller.
pub(crate) fn ours(
    upstream: Upstream,
    seed: u64,
) -> Result<
    impl Service<Request<Order>, Response = Response<Body>, Error = Told, Future: Send> + Clone + Send,
    InvalidConfig,
> {
    let open_for = Backoff::exponential(Duration::from_secs(5)).max(Duration::from_secs(60)).jitter(Jitter::Equal);
    let circuit = Circuit::builder("lab")
        .time_window(Duration::from_secs(30))
        .slow_calls(Duration::from_secs(2), 0.8)
        .open_for(open_for)
        .probes(3)
        .build()?;
    Ok(ServiceBuilder::new()
        .layer(TimeoutLayer::new(TOTAL_TIMEOUT))
        .layer(RetryLayer::new(RetryPolicy::builder().seed(seed).build()?, Http))
        .layer(CircuitBreakerLayer::new(circuit, Http))
        .layer(BulkheadLayer::new(IN_FLIGHT)?)
        .layer(TimeoutLayer::new(ATTEMPT_TIMEOUT))
        .layer(ServiceErrorLayer)
        .service(upstream)
        .map_err(|error| told(&error)))
}

fn told<E>(error: &Error<E>) -> Told {
    use Rejection::{BulkheadFull, BulkheadTimeout, CircuitOpen, RateLimited, Timeout};

    match error {
        Error::Rejected(Timeout { .. }) => Told::TimedOut,
        Error::Rejected(CircuitOpen { .. }) => Told::Shut,
        Error::Rejected(BulkheadFull { .. } | BulkheadTimeout { .. } | RateLimited { .. }) => Told::Full,
        // It was sent, and failed.
        _ => Told::Failed,
    }
}
