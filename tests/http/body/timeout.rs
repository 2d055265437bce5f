//! A timeout breaks off a body that does not end in time, and the layers around it see that.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;
use tower::{Service, ServiceBuilder, ServiceExt as _};
use windbreak::bulkhead::Semaphore;
use windbreak::http::Http;
use windbreak::{BulkheadLayer, Circuit, CircuitBreakerLayer, Rejection, TimeoutLayer};

use super::circuit::tally;
use super::clients::{Answer, each_client};
use super::fed::{END, Fed, HEAD, HELLO, Piece};

#[tokio::test]
async fn a_timeout_breaks_a_slow_body_off_and_the_rejection_can_be_found() {
    async fn check<C, R>(client: C, get: fn(&str) -> R, fed: &Fed)
    where
        C: Service<R, Response: Answer, Error: fmt::Debug> + Clone,
    {
        let url = fed.server.url("/");
        let start = Instant::now();
        fed.feed([Piece::Send(HEAD), HELLO]);
        let mut answer = client.clone().oneshot(get(&url)).await.unwrap();
        assert_eq!(answer.next().await.unwrap().unwrap(), "hello");
        let error = answer.next().await.unwrap().unwrap_err();
        let took = start.elapsed();
        assert!(matches!(Rejection::find_in(&*error), Some(Rejection::Timeout { .. })), "{error:?}");
        assert!(took >= Duration::from_millis(400) && took < Duration::from_secs(3), "{took:?}");
        drop(answer);
        fed.server.is_left_alone().await;

        // In time.
        fed.feed([Piece::Send(HEAD), HELLO, END, Piece::Next]);
        let answer = client.clone().oneshot(get(&url)).await.unwrap();
        assert_eq!(answer.to_end().await.unwrap(), b"hello");
        drop(client);
        fed.server.is_left_alone().await;
    }

    let fed = Fed::new().await;
    let layer = TimeoutLayer::new(Duration::from_millis(400)).until_body_end();
    each_client!(layer, |client, get| check(client, get, &fed).await);
}

#[tokio::test]
async fn a_body_that_times_out_fails_in_the_breaker_and_leaves_the_bulkhead() {
    async fn check<C, R>(client: C, get: fn(&str) -> R, fed: &Fed, circuit: &Circuit, places: &Semaphore)
    where
        C: Service<R, Response: Answer, Error: fmt::Debug> + Clone,
    {
        circuit.reset();
        fed.feed([Piece::Send(HEAD), HELLO]);
        let answer = client.clone().oneshot(get(&fed.server.url("/"))).await.unwrap();
        assert_eq!((places.in_flight(), tally(circuit)), (1, (0, 0, 0)));
        let error = answer.to_end().await.unwrap_err();
        assert!(matches!(Rejection::find_in(&*error), Some(Rejection::Timeout { .. })), "{error:?}");
        assert_eq!((places.in_flight(), tally(circuit)), (0, (1, 1, 0)));
        drop(client);
        fed.server.is_left_alone().await;
    }

    let fed = Fed::new().await;
    let circuit = Circuit::builder("bodies").build().unwrap();
    let bulkhead = BulkheadLayer::new(1).unwrap();
    let places = bulkhead.semaphore().clone();
    let stack = || {
        ServiceBuilder::new()
            .layer(CircuitBreakerLayer::new(circuit.clone(), Http).until_body_end())
            .layer(bulkhead.clone().until_body_end())
            .layer(TimeoutLayer::new(Duration::from_millis(300)).until_body_end())
            .into_inner()
    };
    each_client!(stack(), |client, get| check(client, get, &fed, &circuit, &places).await);
}
