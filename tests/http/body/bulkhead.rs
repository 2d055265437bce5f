//! A place in the bulkhead is held until the end of the body, or, by default, until the head.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::Empty;
use tower::{Service, ServiceBuilder, ServiceExt as _};
use windbreak::bulkhead::Semaphore;
use windbreak::http::Http;
use windbreak::{BulkheadLayer, RetryLayer, RetryPolicy};

use super::clients::{Answer, each_client, hyper_get, reqwest_get, under};
use super::fed::{END, Fed, HEAD, HELLO, Piece};
use crate::support::http::{Peer, Server, Version, answer, hyper_client, reqwest_client};

#[tokio::test]
async fn a_place_is_held_until_the_end_of_the_body() {
    async fn check<C, R>(client: C, get: fn(&str) -> R, fed: &Fed, places: &Semaphore)
    where
        C: Service<R, Response: Answer, Error: fmt::Debug> + Clone,
    {
        let url = fed.server.url("/");
        fed.feed([Piece::Send(HEAD), HELLO]);
        let mut answer = client.clone().oneshot(get(&url)).await.unwrap();
        assert_eq!(places.in_flight(), 1);
        assert_eq!(answer.next().await.unwrap().unwrap(), "hello");
        assert_eq!(places.in_flight(), 1);
        client.clone().oneshot(get(&url)).await.err().expect("there is one place");
        fed.feed([HELLO, END, Piece::Next]);
        assert_eq!(answer.to_end().await.unwrap(), b"hello");
        assert_eq!(places.in_flight(), 0);

        // Trailers end it too.
        fed.feed([Piece::Send(HEAD), HELLO, Piece::Send("0\r\nx-sum: 7\r\n\r\n"), Piece::Next]);
        let answer = client.clone().oneshot(get(&url)).await.unwrap();
        assert_eq!(places.in_flight(), 1);
        answer.to_end().await.unwrap();
        assert_eq!(places.in_flight(), 0);

        // Dropped.
        fed.feed([Piece::Send(HEAD), HELLO]);
        let mut answer = client.clone().oneshot(get(&url)).await.unwrap();
        answer.next().await.unwrap().unwrap();
        assert_eq!(places.in_flight(), 1);
        drop(answer);
        assert_eq!(places.in_flight(), 0);
        fed.server.is_left_alone().await;

        // Broken off.
        fed.feed([Piece::Send(HEAD), HELLO]);
        let mut answer = client.clone().oneshot(get(&url)).await.unwrap();
        assert_eq!(answer.next().await.unwrap().unwrap(), "hello");
        assert_eq!(places.in_flight(), 1);
        fed.feed([Piece::Reset]);
        answer.next().await.unwrap().unwrap_err();
        assert_eq!(places.in_flight(), 0);
        drop(client);
        fed.server.is_left_alone().await;
    }

    let fed = Fed::new().await;
    let layer = BulkheadLayer::new(1).unwrap();
    let places = layer.semaphore().clone();
    let layer = layer.until_body_end();
    each_client!(layer.clone(), |client, get| check(client, get, &fed, &places).await);
}

#[tokio::test]
async fn a_response_without_a_body_gives_its_place_back_at_once() {
    async fn script(mut peer: Peer) {
        while let Some(head) = peer.request().await {
            let answer = match head.split(' ').nth(1).expect("a request line has a path") {
                // The length of a body that does not come.
                "/head" => "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
                "/204" => "HTTP/1.1 204 No Content\r\n\r\n",
                "/304" => "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n",
                _ => "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            };
            peer.send(answer).await;
        }
    }

    async fn check<C, R>(client: C, request: impl Fn(&'static str) -> R, places: &Semaphore)
    where
        C: Service<R, Response: Answer, Error: fmt::Debug> + Clone,
    {
        for path in ["/head", "/204", "/304", "/empty"] {
            let answer = client.clone().oneshot(request(path)).await.unwrap();
            assert_eq!(places.in_flight(), 0, "{path}");
            assert_eq!(answer.to_end().await.unwrap(), b"", "{path}");
        }
    }

    let layer = BulkheadLayer::new(1).unwrap();
    let places = layer.semaphore().clone();
    let layer = layer.until_body_end();
    let server = Server::raw(script).await;
    each_client!(layer.clone(), |client, get| {
        let request = |path| {
            let mut request = get(&server.url(path));
            if path == "/head" {
                *request.method_mut() = http::Method::HEAD;
            }
            request
        };
        check(client, request, &places).await;
    });
    server.is_left_alone().await;

    let server = Server::http(|_| async { Response::new(Empty::<Bytes>::new()) }).await;
    let client = under(layer.clone(), hyper_client(Version::Http2));
    check(client, |path| hyper_get(&server.url(path)), &places).await;
    let client = under(layer, reqwest_client(Version::Http2));
    check(client, |path| reqwest_get(&server.url(path)), &places).await;
    server.is_left_alone().await;
}

#[tokio::test]
async fn to_the_head_three_places_carry_ten_bodies() {
    async fn check<C, R>(client: C, get: fn(&str) -> R, places: &Semaphore)
    where
        C: Service<R, Response: Answer, Error: fmt::Debug> + Clone,
    {
        let server = Server::raw(|mut peer| async move {
            peer.request().await;
            peer.send(HEAD).await;
            peer.send("5\r\nhello\r\n").await;
            peer.closed().await;
        })
        .await;
        let mut answers = Vec::new();
        for _ in 0..10 {
            let mut answer = client.clone().oneshot(get(&server.url("/"))).await.unwrap();
            assert_eq!(answer.next().await.unwrap().unwrap(), "hello");
            answers.push(answer);
        }
        assert_eq!((server.open(), places.in_flight()), (10, 0));
        drop(answers);
        server.is_left_alone().await;
    }

    let layer = BulkheadLayer::new(3).unwrap();
    let places = layer.semaphore().clone();
    each_client!(layer.clone(), |client, get| check(client, get, &places).await);
}

#[tokio::test]
async fn a_response_that_is_drained_gives_its_place_back_before_the_next_attempt() {
    async fn check<C, R>(client: C, get: fn(&str) -> R, places: &Semaphore)
    where
        C: Service<R, Response: Answer, Error: fmt::Debug> + Clone,
    {
        let server = Server::raw(|mut peer| async move {
            peer.request().await;
            peer.send(answer(503, &[], "not yet")).await;
            peer.request().await;
            peer.send(answer(200, &[], "ok")).await;
            peer.closed().await;
        })
        .await;
        let answer = client.clone().oneshot(get(&server.url("/"))).await.unwrap();
        assert_eq!((places.in_flight(), server.requests()), (1, 2));
        assert_eq!(answer.to_end().await.unwrap(), b"ok");
        assert_eq!((places.in_flight(), server.connections()), (0, 1));
        drop(client);
        server.is_left_alone().await;
    }

    let bulkhead = BulkheadLayer::new(1).unwrap();
    let places = bulkhead.semaphore().clone();
    let policy = RetryPolicy::builder().backoff(Duration::from_millis(20)).build().unwrap();
    let retry = RetryLayer::new(policy, Http);
    let stack = || ServiceBuilder::new().layer(retry.clone()).layer(bulkhead.clone().until_body_end()).into_inner();
    each_client!(stack(), |client, get| check(client, get, &places).await);
}
