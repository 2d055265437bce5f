//! The error of a stack: its text, its accessors, and the verdict it leads to.

use std::error::Error as StdError;
use std::time::Duration;
use windbreak::rules::ErrorsOnly;

use tower::{BoxError, Layer, Service, ServiceExt, service_fn};
use windbreak::error::Rejectable;
use windbreak::{
    BulkheadLayer, Circuit, CircuitBreakerLayer, Effect, Error, Failure, Rejection, TimeoutLayer, Verdict,
};

type StackError = Error<ClientError>;

/// An error with a cause, as most are.
#[derive(Debug, thiserror::Error)]
#[error("the client failed")]
struct ClientError(#[source] std::io::Error);

fn client_error() -> ClientError {
    ClientError(std::io::Error::other("connection reset"))
}

/// Rejections cannot be made from outside, so each is asked of its layer.
async fn rejection_by<L>(layer: L) -> StackError
where
    L: Layer<tower::util::ServiceFn<fn(()) -> std::future::Pending<Result<(), StackError>>>>,
    L::Service: Service<(), Response = (), Error = StackError>,
{
    let pending: fn(()) -> _ = |()| std::future::pending();
    layer.layer(service_fn(pending)).oneshot(()).await.expect_err("a layer steps in")
}

async fn timeout() -> StackError {
    rejection_by(TimeoutLayer::new(Duration::from_millis(1_500))).await
}

async fn circuit_open_for(wait: Duration) -> StackError {
    let circuit = Circuit::builder("payments").build().expect("valid");
    circuit.force_open_for(wait);
    rejection_by(CircuitBreakerLayer::new(circuit, ErrorsOnly)).await
}

/// By a bulkhead of one place, which is taken.
async fn bulkhead_full(max_wait: Duration) -> StackError {
    let layer = BulkheadLayer::new(1).expect("valid").max_wait(max_wait);
    let mut holder = layer.layer(service_fn(|()| std::future::pending::<Result<(), StackError>>()));
    let _held = holder.ready().await.expect("ready").call(());
    rejection_by(layer).await
}

#[tokio::test(start_paused = true)]
async fn every_rejection_says_what_happened() {
    for (error, message) in [
        (timeout().await, ["timeout", "no response within 1.5s"]),
        (circuit_open_for(Duration::from_secs(30)).await, ["circuit open", "circuit `payments` is open"]),
        (bulkhead_full(Duration::ZERO).await, ["bulkhead full", "the limit of 1 request in flight is reached"]),
        (
            bulkhead_full(Duration::from_secs(2)).await,
            ["bulkhead timeout", "the limit of 1 request in flight was reached for 2s"],
        ),
        (Error::Service(client_error()), ["the client failed", "connection reset"]),
    ] {
        assert_eq!(said(&error), message);
    }
}

#[tokio::test(start_paused = true)]
async fn the_accessors_tell_the_errors_apart() {
    // is_timeout, is_circuit_open, is_bulkhead_full, whether it is the service's own
    for (error, expected) in [
        (timeout().await, [true, false, false, false]),
        (circuit_open_for(Duration::from_secs(30)).await, [false, true, false, false]),
        (bulkhead_full(Duration::ZERO).await, [false, false, true, false]),
        (bulkhead_full(Duration::from_secs(2)).await, [false, false, true, false]),
        (Error::Service(client_error()), [false, false, false, true]),
    ] {
        let told = [error.is_timeout(), error.is_circuit_open(), error.is_bulkhead_full(), error.service().is_some()];
        assert_eq!(told, expected, "{error}");
        assert_eq!(error.rejection().is_some(), !expected[3], "{error}");
        assert_eq!(error.into_service().is_ok(), expected[3]);
    }
}

#[tokio::test(start_paused = true)]
async fn only_an_open_circuit_knows_when_to_try_again() {
    let wait = Duration::from_secs(30);
    assert_eq!(circuit_open_for(wait).await.retry_after(), Some(wait));
    assert_eq!(circuit_open_for(Duration::MAX).await.retry_after(), None);
    for error in [timeout().await, bulkhead_full(Duration::ZERO).await, Error::Service(client_error())] {
        assert_eq!(error.retry_after(), None, "{error}");
    }
}

/// A reporter prints the message of an error and of each of its sources in turn.
fn said(error: &(dyn StdError + 'static)) -> Vec<String> {
    std::iter::successors(Some(error), |&error| error.source()).map(ToString::to_string).collect()
}

#[tokio::test(start_paused = true)]
async fn nothing_is_said_twice() {
    let error: StackError = Error::Service(client_error());
    assert_eq!(said(&error), ["the client failed", "connection reset"]);
    let boxed: BoxError = error.into();
    assert_eq!(said(&*boxed), ["the client failed", "connection reset"]);
}

#[tokio::test(start_paused = true)]
async fn a_boxed_rejection_is_recognised() {
    let rejection = timeout().await.into_service().unwrap_err();
    let boxed = BoxError::from(rejection.clone());
    assert_eq!(boxed.rejection(), Some(&rejection));
    // Wrapped on its way, as services between two layers do.
    let inside = BoxError::from(std::io::Error::other(StackError::from(rejection.clone())));
    assert_eq!(inside.rejection(), Some(&rejection));
    let boxed = BoxError::from(StackError::from(rejection.clone()));
    assert_eq!(boxed.rejection(), Some(&rejection));
    assert_eq!(BoxError::from(client_error()).rejection(), None);
}

#[tokio::test(start_paused = true)]
async fn a_rejection_names_its_numbers() {
    let wait = Duration::from_secs(30);
    let rejection = circuit_open_for(wait).await.into_service().unwrap_err();
    assert!(matches!(
        &rejection,
        Rejection::CircuitOpen { name, retry_after: Some(after), .. } if **name == *"payments" && *after == wait
    ));
    let rejection = bulkhead_full(wait).await.into_service().unwrap_err();
    assert!(matches!(rejection, Rejection::BulkheadTimeout { limit: 1, max_wait, .. } if max_wait == wait));
    let rejection = bulkhead_full(Duration::ZERO).await.into_service().unwrap_err();
    assert!(matches!(rejection, Rejection::BulkheadFull { limit: 1, .. }));
}

#[tokio::test(start_paused = true)]
async fn only_a_timeout_is_a_failure_of_the_upstream() {
    let verdict = |error: StackError| Verdict::from(&error.into_service().expect_err("a rejection"));
    assert_eq!(verdict(timeout().await), Verdict::Failure(Failure::new(Effect::Unknown)));
    assert_eq!(verdict(circuit_open_for(Duration::from_secs(1)).await), Verdict::Ignored);
    assert_eq!(verdict(bulkhead_full(Duration::ZERO).await), Verdict::Ignored);
    assert_eq!(verdict(bulkhead_full(Duration::from_secs(1)).await), Verdict::Ignored);
}
