//! A rejection that `tower::buffer` has boxed on its way up is still a rejection.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http::{Request, Response};
use tower::buffer::Buffer;
use tower::{BoxError, ServiceBuilder, ServiceExt as _, service_fn};
use windbreak::circuit_breaker::State;
use windbreak::error::Rejectable as _;
use windbreak::http::Http;
use windbreak::rules::{ErrorsOnly, Rules};
use windbreak::{Circuit, CircuitBreakerLayer, Error, Rejection, RetryLayer, RetryPolicy};

/// An open circuit below a buffer, and retries and another circuit above it.
async fn open_below_a_buffer<R, T, C>(rules: C, request: R)
where
    R: Send + 'static,
    T: Send + 'static,
    C: Rules<R, T, BoxError> + Rules<R, T, Error<std::io::Error>> + Clone + Send + Sync + 'static,
{
    let [below, above] =
        ["below", "above"].map(|name| Circuit::builder(name).count_window(2).minimum_calls(1).build().expect("valid"));
    below.force_open_for(Duration::from_secs(30));
    let asked = Arc::new(AtomicU32::new(0));
    let asked_below = Arc::clone(&asked);
    let guarded = ServiceBuilder::new()
        .map_request(move |request| {
            asked_below.fetch_add(1, Ordering::Relaxed);
            request
        })
        .layer(CircuitBreakerLayer::new(below, rules.clone()))
        .service(service_fn(|_: R| async { Err::<T, _>(Error::Service(std::io::Error::other("was asked"))) }));
    let policy = RetryPolicy::builder().max_attempts(3).build().expect("valid");
    let client = ServiceBuilder::new()
        .layer(RetryLayer::new(policy, rules.clone()))
        .layer(CircuitBreakerLayer::new(above.clone(), rules))
        .service(Buffer::new(guarded, 8));

    let error: BoxError = client.oneshot(request).await.err().expect("the circuit is open");
    assert!(matches!(error.rejection(), Some(Rejection::CircuitOpen { .. })), "{error:?}");
    assert_eq!(asked.load(Ordering::Relaxed), 1, "not retried");
    assert_eq!((above.state(), above.snapshot().tally.calls), (State::Closed, 0), "not counted");
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_below_a_buffer_is_neither_retried_nor_counted() {
    open_below_a_buffer::<(), (), _>(ErrorsOnly.idempotent(|(): &()| true), ()).await;
}

#[tokio::test(start_paused = true)]
async fn http_knows_an_open_circuit_below_a_buffer() {
    open_below_a_buffer::<Request<()>, Response<http_body_util::Empty<bytes::Bytes>>, _>(Http, Request::new(())).await;
}
