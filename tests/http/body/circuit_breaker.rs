//! The circuit breaker judges a call by how its body ends, or, by default, by its head.

use std::fmt;
use std::time::Duration;

use tokio::time::sleep;
use tower::{Service, ServiceExt as _};
use windbreak::circuit_breaker::State;
use windbreak::http::Http;
use windbreak::{Circuit, CircuitBreakerLayer};

use super::circuit::{SLOW, circuit, tally};
use super::clients::{Answer, each_client, hyper_get, under};
use super::fed::{END, Fed, HEAD, HELLO, Piece};
use crate::support::http::{Version, hyper_client};

#[tokio::test]
async fn a_call_is_judged_by_how_its_body_ends() {
    async fn check<C, R>(client: C, get: fn(&str) -> R, fed: &Fed, circuit: &Circuit)
    where
        C: Service<R, Response: Answer, Error: fmt::Debug> + Clone,
    {
        circuit.reset();
        let url = fed.server.url("/");

        fed.feed([Piece::Send(HEAD), HELLO]);
        let answer = client.clone().oneshot(get(&url)).await.unwrap();
        assert_eq!(tally(circuit), (0, 0, 0), "not at its head");
        fed.feed([END, Piece::Next]);
        answer.to_end().await.unwrap();
        assert_eq!(tally(circuit), (1, 0, 0));

        // Dropped by the caller: a good head was a success.
        fed.feed([Piece::Send(HEAD), HELLO]);
        drop(client.clone().oneshot(get(&url)).await.unwrap());
        assert_eq!(tally(circuit), (2, 0, 0));
        fed.server.is_left_alone().await;

        // Broken off: a failure.
        fed.feed([Piece::Send(HEAD), HELLO]);
        let mut response = client.clone().oneshot(get(&url)).await.unwrap();
        response.next().await.unwrap().unwrap();
        fed.feed([Piece::Reset]);
        response.next().await.unwrap().unwrap_err();
        assert_eq!(tally(circuit), (3, 1, 0));
        drop(response);
        assert_eq!(tally(circuit), (3, 1, 0), "and once");
        fed.server.is_left_alone().await;

        // A failure at its head is one at once, and what the body does changes nothing.
        fed.feed([Piece::Send("HTTP/1.1 500 -\r\ntransfer-encoding: chunked\r\n\r\n"), HELLO]);
        let mut response = client.clone().oneshot(get(&url)).await.unwrap();
        assert_eq!(tally(circuit), (4, 2, 0));
        response.next().await.unwrap().unwrap();
        fed.feed([Piece::Reset]);
        response.next().await.unwrap().unwrap_err();
        assert_eq!(tally(circuit), (4, 2, 0));

        // The time that the server takes for the body is part of the call.
        fed.feed([Piece::Send(HEAD)]);
        let response = client.clone().oneshot(get(&url)).await.unwrap();
        let (read, ()) = tokio::join!(response.to_end(), async {
            sleep(SLOW + Duration::from_millis(50)).await;
            fed.feed([END, Piece::Next]);
        });
        read.unwrap();
        assert_eq!(tally(circuit), (5, 2, 1));

        // The time in which the caller does not read is not.
        fed.feed([Piece::Send(HEAD), HELLO, END, Piece::Next]);
        let response = client.clone().oneshot(get(&url)).await.unwrap();
        sleep(SLOW + Duration::from_millis(50)).await;
        response.to_end().await.unwrap();
        assert_eq!(tally(circuit), (6, 2, 1));
        assert_eq!(circuit.state(), State::Closed);
        drop(client);
        fed.server.is_left_alone().await;
    }

    let fed = Fed::new().await;
    let circuit = circuit();
    let layer = CircuitBreakerLayer::new(circuit.clone(), Http).until_body_end();
    each_client!(layer.clone(), |client, get| check(client, get, &fed, &circuit).await);
}

#[tokio::test]
async fn to_the_head_a_body_that_breaks_off_is_not_judged() {
    let fed = Fed::new().await;
    let circuit = circuit();
    let client = under(CircuitBreakerLayer::new(circuit.clone(), Http), hyper_client(Version::Http1));
    fed.feed([Piece::Send(HEAD), HELLO]);
    let mut answer = client.clone().oneshot(hyper_get(&fed.server.url("/"))).await.unwrap();
    assert_eq!(tally(&circuit), (1, 0, 0));
    answer.next().await.unwrap().unwrap();
    fed.feed([Piece::Reset]);
    answer.next().await.unwrap().unwrap_err();
    assert_eq!(tally(&circuit), (1, 0, 0));
}
