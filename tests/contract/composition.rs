//! The layers on top of each other: in the documented order, in every other, and over every kind of error.

use crate::support::{AllIdempotent, all_idempotent};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use windbreak::rules::ErrorsOnly;

use tokio::time::{Instant, sleep};
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn};
use windbreak::bulkhead::QueueingBulkheadLayer;
use windbreak::circuit_breaker::State;
use windbreak::error::Rejectable;
use windbreak::{
    BulkheadLayer, Circuit, CircuitBreakerLayer, Error, FallbackLayer, Rejection, RetryLayer, RetryPolicy, TimeoutLayer,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the client failed")]
struct ClientError;

/// What a request tells the upstream to do.
#[derive(Debug, Clone, Copy)]
enum Please {
    Reply,
    Fail,
    Hang,
}

/// Obeys, and counts the calls.
fn client(
    calls: &Arc<AtomicU32>,
) -> impl Service<Please, Response = &'static str, Error = ClientError, Future: Send> + Clone + Send + Sync + 'static {
    let calls = Arc::clone(calls);
    service_fn(move |please| {
        calls.fetch_add(1, Ordering::Relaxed);
        async move {
            match please {
                Please::Reply => Ok("response"),
                Please::Fail => Err(ClientError),
                Please::Hang => std::future::pending().await,
            }
        }
    })
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn retry(attempts: u32) -> RetryLayer<AllIdempotent<Please>> {
    let policy = RetryPolicy::builder().max_attempts(attempts).backoff(seconds(1));
    RetryLayer::new(policy.build().expect("valid"), all_idempotent())
}

/// Opens at the fourth failure in a row.
fn circuit() -> Circuit {
    Circuit::builder("upstream").count_window(10).minimum_calls(4).build().expect("valid")
}

fn timeout(limit: u64) -> TimeoutLayer {
    TimeoutLayer::new(seconds(limit))
}

fn bulkhead(limit: usize) -> BulkheadLayer {
    BulkheadLayer::new(limit).expect("valid")
}

/// All of a stack that a test looks at.
struct Parts {
    calls: Arc<AtomicU32>,
    circuit: Circuit,
    bulkhead: QueueingBulkheadLayer,
}

impl Parts {
    fn new() -> Self {
        Self { calls: Arc::default(), circuit: circuit(), bulkhead: bulkhead(8).max_wait(seconds(5)) }
    }

    fn calls(&self) -> u32 {
        self.calls.load(Ordering::Relaxed)
    }

    /// The documented order, without a fallback.
    fn stack(
        &self,
        total: u64,
        attempts: u32,
    ) -> impl Service<Please, Response = &'static str, Error = Error<ClientError>, Future: Send> + Clone + Send + 'static
    {
        ServiceBuilder::new()
            .layer(timeout(total))
            .layer(retry(attempts))
            .layer(CircuitBreakerLayer::new(self.circuit.clone(), ErrorsOnly))
            .layer(self.bulkhead.clone())
            .layer(timeout(2))
            .map_err(Error::Service)
            .service(client(&self.calls))
    }
}

#[tokio::test(start_paused = true)]
async fn the_error_of_the_documented_stack_is_flat() {
    let parts = Parts::new();
    let stack =
        ServiceBuilder::new().layer(FallbackLayer::function(|result| result, ErrorsOnly)).service(parts.stack(60, 2));
    // The type, said out loud: however many layers, one `Error` around the client's own.
    let response: Result<&'static str, Error<ClientError>> = stack.clone().oneshot(Please::Reply).await;
    assert_eq!(response, Ok("response"));
    let response: Result<&'static str, Error<ClientError>> = stack.clone().oneshot(Please::Fail).await;
    assert_eq!(response, Err(Error::Service(ClientError)));
}

#[tokio::test(start_paused = true)]
async fn the_breaker_inside_the_retries_sees_each_attempt() {
    let parts = Parts::new();
    assert_eq!(parts.stack(60, 2).oneshot(Please::Fail).await, Err(Error::Service(ClientError)));
    assert_eq!(parts.calls(), 2);
    let tally = parts.circuit.snapshot().tally;
    assert_eq!((tally.calls, tally.failures), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn retries_stop_when_the_circuit_opens() {
    let parts = Parts::new();
    let start = Instant::now();
    // The fourth attempt opens it: a fifth of the ten could only be rejected, and what is known is the failure.
    let error = parts.stack(60, 10).oneshot(Please::Fail).await.unwrap_err();
    assert!(error.service().is_some());
    assert_eq!((parts.calls(), start.elapsed().as_secs()), (4, 3));
}

#[tokio::test(start_paused = true)]
async fn retries_do_not_hammer_an_open_circuit() {
    let parts = Parts::new();
    parts.circuit.force_open_for(seconds(30));
    let start = Instant::now();
    let error = parts.stack(60, 10).oneshot(Please::Reply).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(seconds(30)));
    assert_eq!((parts.calls(), start.elapsed()), (0, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn the_breaker_sees_timeouts_of_attempts() {
    let parts = Parts::new();
    let error = parts.stack(60, 4).oneshot(Please::Hang).await.unwrap_err();
    assert!(error.is_timeout());
    assert_eq!(parts.calls(), 4);
    assert_eq!(parts.circuit.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn the_breaker_does_not_count_a_full_bulkhead() {
    let parts = Parts { bulkhead: bulkhead(1).into(), ..Parts::new() };
    let stack = parts.stack(60, 3);
    let hung = tokio::spawn(stack.clone().oneshot(Please::Hang));
    tokio::task::yield_now().await;
    for _ in 0..10 {
        assert!(stack.clone().oneshot(Please::Reply).await.unwrap_err().is_bulkhead_full());
    }
    assert_eq!(parts.circuit.snapshot().tally.calls, 0);
    assert_eq!(parts.calls(), 1);
    hung.abort();
}

#[tokio::test(start_paused = true)]
async fn a_total_timeout_cancels_and_gives_the_places_back() {
    let parts = Parts { bulkhead: bulkhead(1).max_wait(seconds(60)), ..Parts::new() };
    let places = parts.bulkhead.semaphore();
    let stack = parts.stack(1, 3);
    let start = Instant::now();
    let in_flight = tokio::spawn(stack.clone().oneshot(Please::Hang));
    let queued = tokio::spawn(stack.clone().oneshot(Please::Hang));
    sleep(Duration::from_millis(500)).await;
    assert_eq!((places.in_flight(), places.queued()), (1, 1));
    for call in [in_flight, queued] {
        assert!(call.await.unwrap().unwrap_err().is_timeout());
    }
    assert_eq!(start.elapsed().as_secs(), 1);
    assert_eq!((places.in_flight(), places.queued()), (0, 0));
    assert_eq!(parts.circuit.snapshot().tally.calls, 0, "a cancelled call counts for nothing");
    assert_eq!(stack.oneshot(Please::Reply).await, Ok("response"));
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_a_total_timeout_would_end_is_not_begun() {
    let parts = Parts::new();
    let start = Instant::now();
    let stack =
        ServiceBuilder::new().layer(TimeoutLayer::new(Duration::from_millis(1_500))).service(parts.stack(60, 3));
    assert_eq!(stack.oneshot(Please::Fail).await, Err(Error::Service(ClientError)));
    assert_eq!((parts.calls(), start.elapsed().as_millis()), (2, 1_000));
}

#[tokio::test(start_paused = true)]
async fn a_fallback_stands_in_for_every_layer_below() {
    let parts = Parts { bulkhead: bulkhead(1).into(), ..Parts::new() };
    let stack = ServiceBuilder::new().layer(FallbackLayer::value("instead", ErrorsOnly)).service(parts.stack(1, 1));
    assert_eq!(stack.clone().oneshot(Please::Reply).await, Ok("response"));
    assert_eq!(stack.clone().oneshot(Please::Fail).await, Ok("instead"));
    let hung = tokio::spawn(stack.clone().oneshot(Please::Hang));
    tokio::task::yield_now().await;
    assert_eq!(stack.clone().oneshot(Please::Reply).await, Ok("instead"), "the bulkhead is full");
    assert_eq!(hung.await.unwrap(), Ok("instead"), "it timed out");
    parts.circuit.force_open();
    assert_eq!(stack.oneshot(Please::Reply).await, Ok("instead"), "the circuit is open");
}

#[tokio::test(start_paused = true)]
async fn every_pair_of_layers_composes_in_either_order() {
    fn timeout() -> TimeoutLayer {
        TimeoutLayer::new(seconds(60))
    }
    fn retry() -> RetryLayer<AllIdempotent<Please>> {
        self::retry(3)
    }
    fn breaker() -> CircuitBreakerLayer<ErrorsOnly> {
        CircuitBreakerLayer::new(circuit(), ErrorsOnly)
    }
    fn bulkhead() -> BulkheadLayer {
        self::bulkhead(1)
    }

    let fallback = || FallbackLayer::value("instead", ErrorsOnly);
    macro_rules! pairs {
        ($($outer:ident)*) => { $(pairs!(@$outer: fallback timeout retry breaker bulkhead);)* };
        (@$outer:ident: $($inner:ident)*) => {
            $({
                let calls = Arc::default();
                let stack =
                    ServiceBuilder::new().layer($outer()).layer($inner()).map_err(Error::Service).service(client(&calls));
                assert_responds(stack, &calls, stringify!($outer), stringify!($inner)).await;
            })*
        };
    }
    pairs!(fallback timeout retry breaker bulkhead);
}

async fn assert_responds<S>(stack: S, calls: &AtomicU32, outer: &str, inner: &str)
where
    S: Service<Please, Response = &'static str, Error = Error<ClientError>> + Clone,
{
    assert_eq!(stack.clone().oneshot(Please::Reply).await, Ok("response"), "{outer} over {inner}");
    assert_eq!(calls.swap(0, Ordering::Relaxed), 1, "{outer} over {inner}");

    let with_fallback = [outer, inner].contains(&"fallback");
    let expected = if with_fallback { Ok("instead") } else { Err(Error::Service(ClientError)) };
    assert_eq!(stack.oneshot(Please::Fail).await, expected, "{outer} over {inner}");
    let attempts = match (outer, inner) {
        ("retry", "retry") => 9,
        // There is nothing left to retry.
        ("retry", "fallback") => 1,
        ("retry", _) | (_, "retry") => 3,
        _ => 1,
    };
    assert_eq!(calls.load(Ordering::Relaxed), attempts, "{outer} over {inner}");
}

#[tokio::test(start_paused = true)]
async fn a_stack_may_carry_boxed_errors() {
    let circuit = circuit();
    let stack = ServiceBuilder::new()
        .layer(timeout(60))
        .layer(retry(2))
        .layer(CircuitBreakerLayer::new(circuit.clone(), ErrorsOnly))
        .layer(bulkhead(1))
        .layer(timeout(2))
        .map_err(BoxError::from)
        .service(client(&Arc::default()));

    let error: BoxError = stack.clone().oneshot(Please::Fail).await.unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&ClientError));
    let error: BoxError = stack.clone().oneshot(Please::Hang).await.unwrap_err();
    assert!(matches!(error.rejection(), Some(Rejection::Timeout { .. })));
    assert_eq!(circuit.state(), State::Open);
    let error: BoxError = stack.oneshot(Please::Reply).await.unwrap_err();
    assert!(matches!(error.downcast_ref(), Some(Rejection::CircuitOpen { .. })));
}

/// As a program that has an error type already would take part.
#[derive(Debug, PartialEq)]
enum AppError {
    Overloaded(Rejection),
    Client(ClientError),
}

impl From<Rejection> for AppError {
    fn from(rejection: Rejection) -> Self {
        Self::Overloaded(rejection)
    }
}

impl Rejectable for AppError {
    fn rejection(&self) -> Option<&Rejection> {
        match self {
            Self::Overloaded(rejection) => Some(rejection),
            Self::Client(_) => None,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stack_may_carry_errors_of_the_users_own() {
    let circuit = circuit();
    let stack = ServiceBuilder::new()
        .layer(timeout(60))
        .layer(retry(2))
        .layer(CircuitBreakerLayer::new(circuit.clone(), ErrorsOnly))
        .layer(bulkhead(1))
        .layer(timeout(2))
        .map_err(AppError::Client)
        .service(client(&Arc::default()));

    assert_eq!(stack.clone().oneshot(Please::Fail).await, Err(AppError::Client(ClientError)));
    let error = stack.clone().oneshot(Please::Hang).await.unwrap_err();
    assert!(matches!(error, AppError::Overloaded(Rejection::Timeout { .. })));
    assert_eq!(circuit.state(), State::Open);
    let error = stack.oneshot(Please::Reply).await.unwrap_err();
    assert!(matches!(error, AppError::Overloaded(Rejection::CircuitOpen { .. })));
}
