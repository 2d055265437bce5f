//! A retry above services that send a further attempt elsewhere than the one whose circuit has just opened.

use std::future::{Ready, ready};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use windbreak::retry::RetryBudget;
use windbreak::rules::{ErrorsOnly, Idempotency};
use windbreak::{
    Circuit, CircuitBreakerLayer, Failover, FallbackLayer, RetryLayer, RetryPolicy, Verified, VerifyLayer,
};

use crate::support::{AllSafe, Log, all_safe, millis, secs};

type Error = windbreak::Error<&'static str>;

const PAUSE: Duration = millis(10);

fn retry(waits: bool) -> RetryLayer<AllSafe<()>> {
    let policy = RetryPolicy::builder().max_attempts(2).budget(RetryBudget::unlimited()).backoff(PAUSE);
    RetryLayer::new(policy.wait_for_circuit(waits).build().expect("valid"), all_safe())
}

/// A circuit that opens at the first failure.
fn fragile() -> CircuitBreakerLayer<ErrorsOnly> {
    let circuit = Circuit::builder("fragile").count_window(1).minimum_calls(1).open_for(secs(30)).build();
    CircuitBreakerLayer::new(circuit.expect("valid"), ErrorsOnly)
}

/// Fails as often as it is told, and then does not.
fn failing(times: usize) -> impl Service<(), Response = (), Error = Error, Future = Ready<Result<(), Error>>> + Clone {
    let log = Log::default();
    service_fn(move |()| ready(if log.note() <= times { Err(Error::Service("reset")) } else { Ok(()) }))
}

/// Whether a retry above tries again after its pause, and not when a circuit is half-open again, or not at all.
async fn assert_retried<S>(service: impl Fn() -> S)
where
    S: Service<(), Response = (), Error = Error> + Clone,
{
    for waits in [false, true] {
        let start = Instant::now();
        assert_eq!(retry(waits).layer(service()).oneshot(()).await, Ok(()), "waits for circuits: {waits}");
        assert_eq!(start.elapsed(), PAUSE, "waits for circuits: {waits}");
    }
}

/// Calls the first endpoint that is ready.
#[derive(Clone)]
struct Balanced<S> {
    endpoints: [S; 2],
    chosen: usize,
}

impl<S: Service<()>> Service<()> for Balanced<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        for (place, endpoint) in self.endpoints.iter_mut().enumerate() {
            if let Poll::Ready(ready) = endpoint.poll_ready(cx) {
                self.chosen = place;
                return Poll::Ready(ready);
            }
        }
        Poll::Pending
    }

    fn call(&mut self, (): ()) -> S::Future {
        self.endpoints[self.chosen].call(())
    }
}

#[tokio::test(start_paused = true)]
async fn above_a_load_balancer_a_retry_does_not_wait_for_the_endpoint_whose_circuit_has_opened() {
    assert_retried(|| {
        let endpoint = failing(1);
        let endpoints = [(); 2].map(|()| fragile().pending_while_open().layer(endpoint.clone()));
        Balanced { endpoints, chosen: 0 }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn above_a_failover_a_retry_does_not_wait_for_the_provider_whose_circuit_has_opened() {
    assert_retried(|| {
        let first = fragile().layer(failing(1));
        Failover::new("search", all_safe()).to("first", first).to("second", failing(1)).build().expect("valid")
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn above_a_fallback_a_retry_does_not_wait_for_the_service_whose_circuit_has_opened() {
    assert_retried(|| FallbackLayer::service(failing(1), all_safe()).layer(fragile().layer(failing(9)))).await;
    assert_retried(|| FallbackLayer::service(fragile().layer(failing(1)), all_safe()).layer(failing(1))).await;
}

/// The question goes to an upstream of its own.
#[tokio::test(start_paused = true)]
async fn above_a_question_a_retry_does_not_wait_for_the_circuit_of_who_is_asked() {
    assert_retried(|| {
        let asked = fragile().layer(failing(1));
        let rules = ErrorsOnly.idempotent(|(): &()| Idempotency::Keyed);
        let verify = VerifyLayer::new(rules, move |(), _| {
            let asked = asked.clone();
            async move { asked.oneshot(()).await.map(|()| Verified::Unknown).map_err(|_| "asked in vain") }
        });
        verify.after(Duration::ZERO).layer(failing(1))
    })
    .await;
}

/// Nothing stands between that would send a further attempt elsewhere.
#[tokio::test(start_paused = true)]
async fn a_circuit_that_opens_below_two_retries_ends_both() {
    let start = Instant::now();
    let service = ServiceBuilder::new().layer(retry(false)).layer(retry(false)).layer(fragile()).service(failing(9));
    assert_eq!(service.oneshot(()).await.unwrap_err().into_service(), Ok("reset"));
    assert_eq!(start.elapsed(), Duration::ZERO);
}
