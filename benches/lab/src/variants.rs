//! Other stacks, to be shown beside the one that the law holds for: `--variant` plays them too.

use std::time::Duration;

use clap::ValueEnum;
use http::{Request, Response};
use tower::{Layer as _, Service, ServiceBuilder, ServiceExt as _};
use windbreak::bulkhead::Adapt;
use windbreak::http::Http;
use windbreak::retry::RetryBudget;
use windbreak::throttle::{Throttle, ThrottleLayer};
use windbreak::{
    BulkheadLayer, CircuitBreakerLayer, Error, InvalidConfig, RetryLayer, RetryPolicy, ServiceErrorLayer, Stack,
    TimeoutLayer,
};

use crate::ours::{stack, told};
use crate::setups::Client;
use crate::upstream::{Body, Failed, Order, Upstream};

/// What is different from the stack that the law holds for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Variant {
    /// No circuit.
    NoCircuit,
    /// No retries.
    NoRetry,
    /// The circuit opens when half of the last 20 attempts have failed, as circuits usually do.
    OpensAtHalf,
    /// A throttle in place of the circuit.
    Throttle,
    /// The numbers of the README's first example.
    Readme,
    /// A bulkhead whose limit adapts, from 20, between 1 and 4,096.
    Adaptive,
}

/// As the stack has them.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(30);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
const BUDGET: (f64, u32) = (0.2, 100);
const IN_FLIGHT: usize = 4096;

impl Variant {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::NoCircuit => "no circuit",
            Self::NoRetry => "no retry",
            Self::OpensAtHalf => "opens at half",
            Self::Throttle => "throttle",
            Self::Readme => "readme",
            Self::Adaptive => "adaptive",
        }
    }

    /// It, in front of `upstream`.
    ///
    /// # Errors
    ///
    /// If its numbers are not valid.
    pub(crate) fn client(self, upstream: Upstream, seed: u64) -> Result<Client, InvalidConfig> {
        let usual = || Stack::http("lab").retry(|retry| retry.seed(seed));
        Ok(match self {
            Self::NoCircuit => boxed(usual().without_circuit().build()?.layer(upstream)),
            Self::NoRetry => boxed(usual().without_retry().build()?.layer(upstream)),
            Self::OpensAtHalf => {
                let circuit = usual().circuit(|circuit| circuit.failure_ratio(0.5).minimum_span(Duration::ZERO));
                boxed(circuit.build()?.layer(upstream))
            }
            Self::Readme => {
                let stack = usual()
                    .total_timeout(Duration::from_secs(10))
                    .attempt_timeout(Duration::from_secs(3))
                    .retry(|retry| retry.max_attempts(3))
                    .circuit(|circuit| circuit.failure_ratio(0.9))
                    .bulkhead(512);
                boxed(stack.build()?.layer(upstream))
            }
            Self::Throttle => {
                let throttle = Throttle::builder("lab").seed(seed).build()?;
                let client = ServiceBuilder::new()
                    .layer(TimeoutLayer::new(TOTAL_TIMEOUT))
                    .layer(RetryLayer::new(policy(seed)?, Http))
                    .layer(ThrottleLayer::new(throttle, Http))
                    .layer(BulkheadLayer::new(IN_FLIGHT)?.queue())
                    .layer(TimeoutLayer::new(ATTEMPT_TIMEOUT))
                    .layer(ServiceErrorLayer)
                    .service(upstream);
                client.map_err(told).boxed_clone()
            }
            Self::Adaptive => {
                let circuit = stack(seed)?.circuit().cloned();
                let client = ServiceBuilder::new()
                    .layer(TimeoutLayer::new(TOTAL_TIMEOUT))
                    .layer(RetryLayer::new(policy(seed)?, Http))
                    .option_layer(circuit.map(|circuit| CircuitBreakerLayer::new(circuit, Http)))
                    .layer(BulkheadLayer::new(20)?.queue().adapt(Adapt::between(1, IN_FLIGHT)?, Http))
                    .layer(TimeoutLayer::new(ATTEMPT_TIMEOUT))
                    .layer(ServiceErrorLayer)
                    .service(upstream);
                client.map_err(told).boxed_clone()
            }
        })
    }
}

fn policy(seed: u64) -> Result<RetryPolicy, InvalidConfig> {
    let budget = RetryBudget::new(BUDGET.0, BUDGET.1)?;
    RetryPolicy::builder().wait_for_circuit(true).budget(budget).seed(seed).build()
}

/// The bodies are empty.
fn boxed<S, B>(client: S) -> Client
where
    S: Service<Request<Order>, Response = Response<B>, Error = Error<Failed>, Future: Send> + Clone + Send + 'static,
{
    client.map_err(told).map_response(|response| response.map(|_| Body::new())).boxed_clone()
}
