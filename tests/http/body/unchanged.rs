//! What a response knows, its trailers and its upgrade pass through the layers unchanged.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Body;
use hyper_util::client::legacy::connect::HttpInfo;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower::{ServiceBuilder, ServiceExt as _};
use windbreak::http::Http;
use windbreak::{BulkheadLayer, CircuitBreakerLayer, TimeoutLayer};

use super::circuit::circuit;
use super::clients::{hyper_get, reqwest_get, under};
use super::fed::HEAD;
use crate::support::http::{Server, Version, hyper_client, reqwest_client};

/// All three layers, to the end of the body.
macro_rules! all_three {
    () => {
        ServiceBuilder::new()
            .layer(CircuitBreakerLayer::new(circuit(), Http).until_body_end())
            .layer(BulkheadLayer::new(8).unwrap().until_body_end())
            .layer(TimeoutLayer::new(Duration::from_secs(5)).until_body_end())
            .into_inner()
    };
}

#[tokio::test]
async fn a_reqwest_response_keeps_all_that_it_knows() {
    let server = Server::http(|request| async move {
        if request.uri().path() == "/old" {
            return Response::builder()
                .status(307)
                .header("location", "/new?really=yes")
                .body(Full::default())
                .unwrap();
        }
        Response::builder().status(203).header("x-mine", "1").header("x-mine", "2").body(Full::from("[1,2]")).unwrap()
    })
    .await;
    for version in [Version::Http1, Version::Http2] {
        let bare = reqwest_client(version).get(server.url("/old")).send().await.unwrap();
        let client = under(all_three!(), reqwest_client(version));
        let guarded = client.oneshot(reqwest_get(&server.url("/old"))).await.unwrap();
        assert_eq!(guarded.url().as_str(), server.url("/new?really=yes"));
        assert_eq!(guarded.url(), bare.url());
        assert_eq!(guarded.status(), 203);
        assert_eq!(guarded.version(), bare.version());
        assert_eq!(guarded.content_length(), Some(5));
        assert_eq!(guarded.remote_addr(), Some(server.address()));
        let undated = |response: &reqwest::Response| {
            let mut headers: HeaderMap = response.headers().clone();
            headers.remove("date");
            headers
        };
        assert_eq!(undated(&guarded), undated(&bare));
        assert_eq!(guarded.headers().get_all("x-mine").iter().count(), 2);
        assert!(guarded.extensions().get::<HttpInfo>().is_some() == bare.extensions().get::<HttpInfo>().is_some());
        assert_eq!(guarded.extensions().len(), bare.extensions().len());
        assert_eq!(guarded.json::<Vec<u8>>().await.unwrap(), [1, 2]);
        drop(bare);
    }
    server.is_left_alone().await;
}

#[tokio::test]
async fn a_hyper_response_keeps_all_that_it_knows() {
    let server =
        Server::http(|_| async { Response::builder().header("x-mine", "1").body(Full::from("hello")).unwrap() });
    let server = server.await;
    for version in [Version::Http1, Version::Http2] {
        let bare = hyper_client(version).request(hyper_get(&server.url("/"))).await.unwrap();
        let client = under(all_three!(), hyper_client(version));
        let guarded = client.oneshot(hyper_get(&server.url("/"))).await.unwrap();
        assert_eq!((guarded.status(), guarded.version()), (bare.status(), bare.version()));
        assert_eq!(guarded.headers()["x-mine"], "1");
        assert_eq!(guarded.extensions().get::<HttpInfo>().unwrap().remote_addr(), server.address());
        assert_eq!(guarded.body().size_hint().exact(), Some(5));
        assert!(!guarded.body().is_end_stream());
        assert_eq!(guarded.into_body().collect().await.unwrap().to_bytes(), "hello");
    }
    server.is_left_alone().await;
}

#[tokio::test]
async fn trailers_survive() {
    async fn check(version: Version, server: &Server) {
        let mut get = hyper_get(&server.url("/"));
        get.headers_mut().insert("te", "trailers".parse().unwrap());
        let response = under(all_three!(), hyper_client(version)).oneshot(get).await.unwrap();
        let body = response.into_body().collect().await.unwrap();
        assert_eq!(body.trailers().unwrap()["x-sum"], "7", "hyper, {version:?}");
        assert_eq!(body.to_bytes(), "hello");

        let mut get = reqwest_get(&server.url("/"));
        get.headers_mut().insert("te", "trailers".parse().unwrap());
        let response = under(all_three!(), reqwest_client(version)).oneshot(get).await.unwrap();
        let body = Response::from(response).into_body().collect().await.unwrap();
        assert_eq!(body.trailers().unwrap()["x-sum"], "7", "reqwest, {version:?}");
        assert_eq!(body.to_bytes(), "hello");
        server.is_left_alone().await;
    }

    let chunked = Server::raw(|mut peer| async move {
        while peer.request().await.is_some() {
            peer.send(HEAD).await;
            peer.send("5\r\nhello\r\n0\r\nx-sum: 7\r\n\r\n").await;
        }
    })
    .await;
    check(Version::Http1, &chunked).await;

    let framed = Server::http(|_| async {
        let trailers = HeaderMap::from_iter([(http::HeaderName::from_static("x-sum"), 7.into())]);
        Response::new(Full::<Bytes>::from("hello").with_trailers(async { Some(Ok(trailers)) }))
    })
    .await;
    check(Version::Http2, &framed).await;
}

#[tokio::test]
async fn a_connection_can_still_be_upgraded() {
    let server = Server::raw(|mut peer| async move {
        let head = peer.request().await.expect("the client asks");
        assert!(head.contains("upgrade: echo"));
        peer.send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n").await;
        peer.echo().await;
    })
    .await;
    let bulkhead = BulkheadLayer::new(1).unwrap();
    let places = bulkhead.semaphore().clone();
    let bulkhead = bulkhead.until_body_end();
    let stack = || ServiceBuilder::new().layer(bulkhead.clone()).layer(all_three!()).into_inner();

    let mut get = hyper_get(&server.url("/"));
    get.headers_mut().insert("connection", "upgrade".parse().unwrap());
    get.headers_mut().insert("upgrade", "echo".parse().unwrap());
    let response = under(stack(), hyper_client(Version::Http1)).oneshot(get).await.unwrap();
    assert_eq!((response.status().as_u16(), places.in_flight()), (101, 0));
    let mut upgraded = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    upgraded.write_all(b"hello").await.unwrap();
    let mut echoed = [0; 5];
    upgraded.read_exact(&mut echoed).await.unwrap();
    assert_eq!(&echoed, b"hello");
    drop(upgraded);

    let mut get = reqwest_get(&server.url("/"));
    get.headers_mut().insert("connection", "upgrade".parse().unwrap());
    get.headers_mut().insert("upgrade", "echo".parse().unwrap());
    let response = under(stack(), reqwest_client(Version::Http1)).oneshot(get).await.unwrap();
    assert_eq!((response.status().as_u16(), places.in_flight()), (101, 0));
    let mut upgraded = response.upgrade().await.unwrap();
    upgraded.write_all(b"hello").await.unwrap();
    upgraded.read_exact(&mut echoed).await.unwrap();
    assert_eq!(&echoed, b"hello");
    drop(upgraded);
    server.is_left_alone().await;
}
