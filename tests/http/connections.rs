//! What becomes of the connection of an answer that is refused.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper_util::client::legacy;
use tokio::time::{Instant, sleep};
use tower::{ServiceBuilder, ServiceExt as _};
use windbreak::http::{Drain, Http, HttpError, HttpRequest, HttpResponse};
use windbreak::retry::RetryBudget;
use windbreak::rules::{Classify, Discard, Idempotency, Repeat, Replay, Rules};
use windbreak::{Error, RetryLayer, RetryPolicy, Verdict};

use crate::support::http::{Peer, Server, Version, answer, direct_builder, hyper_client, reqwest_client};

const ATTEMPTS: u32 = 6;

/// Long enough that the connection is back in the pool when the next attempt begins.
const PAUSE: Duration = Duration::from_millis(20);

fn six_attempts<R>(rules: R) -> RetryLayer<R> {
    let policy = RetryPolicy::builder().max_attempts(ATTEMPTS).backoff(PAUSE).budget(RetryBudget::unlimited());
    RetryLayer::new(policy.build().expect("the numbers are good"), rules)
}

/// The rules of HTTP, but that a response that will be retried is dropped.
#[derive(Debug, Clone, Copy)]
struct Dropping;

impl<T: HttpResponse, E: HttpError> Classify<T, E> for Dropping {
    fn classify(&self, result: Result<&T, &E>) -> Verdict {
        Http.classify(result)
    }
}

impl<R: HttpRequest> Repeat<R> for Dropping {
    fn idempotency(&self, request: &R) -> Idempotency {
        Http.idempotency(request)
    }
}

impl<R> Replay<R> for Dropping
where
    R: HttpRequest,
    Http: Replay<R>,
{
    fn copy(&self, request: &R) -> Option<R> {
        Http.copy(request)
    }
}

impl<T> Discard<T> for Dropping {}

/// Sends a GET through six attempts with hyper, which all are refused.
async fn with_hyper<R>(rules: R, version: Version, server: &Server)
where
    R: Rules<Request<Full<Bytes>>, http::Response<Incoming>, Error<legacy::Error>>,
{
    let client =
        ServiceBuilder::new().layer(six_attempts(rules)).map_err(Error::Service).service(hyper_client(version));
    let get = Request::get(server.url("/")).body(Full::<Bytes>::default()).expect("the test has a good URL");
    let response = client.oneshot(get).await.expect("the server answers");
    assert_eq!(response.status(), 503);
    // The last answer is the caller's.
    let _ = response.into_body().collect().await;
}

/// The same with reqwest.
async fn with_reqwest<R>(rules: R, version: Version, server: &Server)
where
    R: Rules<reqwest::Request, reqwest::Response, Error<reqwest::Error>>,
{
    let client =
        ServiceBuilder::new().layer(six_attempts(rules)).map_err(Error::Service).service(reqwest_client(version));
    let get = reqwest::Request::new(Method::GET, server.url("/").parse().expect("the test has a good URL"));
    let response = client.oneshot(get).await.expect("the server answers");
    assert_eq!(response.status(), 503);
    let _ = response.bytes().await;
}

/// How many connections six attempts open with hyper, and with reqwest, by the default of `Http`.
async fn drained(server: &Server) -> [usize; 2] {
    with_hyper(Http, Version::Http1, server).await;
    let hyper = server.connections();
    with_reqwest(Http, Version::Http1, server).await;
    server.is_left_alone().await;
    [hyper, server.connections() - hyper]
}

/// The same where refused answers are dropped.
async fn dropped(server: &Server) -> [usize; 2] {
    let before = server.connections();
    with_hyper(Dropping, Version::Http1, server).await;
    let hyper = server.connections();
    with_reqwest(Dropping, Version::Http1, server).await;
    server.is_left_alone().await;
    [hyper - before, server.connections() - hyper]
}

async fn large(mut peer: Peer) {
    let body = "x".repeat(60 * 1024);
    while peer.request().await.is_some() {
        peer.send(answer(503, &[], &body)).await;
    }
}

async fn late(mut peer: Peer) {
    while peer.request().await.is_some() {
        peer.send("HTTP/1.1 503 -\r\ntransfer-encoding: chunked\r\n\r\n").await;
        peer.send("4\r\nsoon\r\n").await;
        sleep(Duration::from_millis(10)).await;
        peer.send("0\r\n\r\n").await;
    }
}

#[tokio::test]
async fn six_attempts_of_a_large_response_use_one_connection() {
    let server = Server::raw(large).await;
    assert_eq!(drained(&server).await, [1, 1]);
    assert_eq!(server.requests(), 2 * ATTEMPTS as usize);
    assert_eq!(dropped(&server).await, [6, 6]);
}

#[tokio::test]
async fn six_attempts_of_a_late_response_use_one_connection() {
    let mut tries = 0;
    let server = loop {
        let server = Server::raw(late).await;
        let connections = drained(&server).await;
        assert_eq!(server.requests(), 2 * ATTEMPTS as usize);
        // A machine that stalls for 50 ms looks like a server that does.
        tries += 1;
        if connections == [1, 1] || tries == 5 {
            assert_eq!(connections, [1, 1]);
            break server;
        }
    };
    assert_eq!(dropped(&server).await, [6, 6]);
}

#[tokio::test]
async fn http2_uses_one_connection_in_any_case() {
    let server = Server::http(|_| async {
        let mut response = http::Response::new(Full::<Bytes>::from("x".repeat(60 * 1024)));
        *response.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
        response
    })
    .await;
    with_hyper(Http, Version::Http2, &server).await;
    with_hyper(Dropping, Version::Http2, &server).await;
    with_reqwest(Http, Version::Http2, &server).await;
    assert_eq!((server.connections(), server.requests()), (3, 3 * ATTEMPTS as usize));
    server.is_left_alone().await;
}

#[tokio::test]
async fn a_response_over_the_bound_is_not_read_to_its_end() {
    const WHOLE: usize = 64 * 1024 * 1024;
    let ended = Arc::new(AtomicUsize::new(0));
    for head in ["transfer-encoding: chunked".to_owned(), format!("content-length: {WHOLE}")] {
        let to_its_end = Arc::clone(&ended);
        let head = format!("HTTP/1.1 503 -\r\n{head}\r\n\r\n");
        let server = Server::raw(move |mut peer| {
            let (to_its_end, head) = (Arc::clone(&to_its_end), head.clone());
            async move {
                let piece = [b"10000\r\n", "x".repeat(65_536).as_bytes(), b"\r\n"].concat();
                while peer.request().await.is_some() {
                    let mut left = peer.send(&head).await.then_some(WHOLE / 65_536);
                    while let Some(pieces @ 1..) = left {
                        left = peer.send(&piece).await.then_some(pieces - 1);
                    }
                    to_its_end.fetch_add(usize::from(left.is_some()), Ordering::SeqCst);
                }
            }
        })
        .await;
        // All but the last attempt, whose answer is the caller's; that is dropped unread here.
        let client = ServiceBuilder::new()
            .layer(six_attempts(Http))
            .map_err(Error::Service)
            .service(hyper_client(Version::Http1));
        let get = Request::get(server.url("/")).body(Full::<Bytes>::default()).unwrap();
        drop(client.clone().oneshot(get).await.unwrap());
        assert_eq!((server.connections(), server.requests()), (6, 6));

        let reqwest = ServiceBuilder::new()
            .layer(six_attempts(Http))
            .map_err(Error::Service)
            .service(reqwest_client(Version::Http1));
        let get = reqwest::Request::new(Method::GET, server.url("/").parse().unwrap());
        drop(reqwest.oneshot(get).await.unwrap());
        assert_eq!((server.connections(), server.requests()), (12, 12));
        server.is_left_alone().await;
    }
    assert_eq!(ended.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_larger_bound_reads_on() {
    async fn larger(mut peer: Peer) {
        let body = "x".repeat(1024 * 1024);
        while peer.request().await.is_some() {
            peer.send(answer(503, &[], &body)).await;
        }
    }
    let server = Server::raw(larger).await;
    with_hyper(Http, Version::Http1, &server).await;
    assert_eq!(server.connections(), 6);
    let larger = Drain::new().max_bytes(1024 * 1024).max_time(Duration::from_secs(5));
    with_hyper(Http::builder().drain(larger), Version::Http1, &server).await;
    assert_eq!(server.connections(), 7);
    server.is_left_alone().await;
}

/// How many connections six attempts open, with hyper and with reqwest, where refused answers are disposed of so.
async fn drained_by(drain: Drain, server: &Server) -> [usize; 2] {
    let before = server.connections();
    with_hyper(Http::builder().drain(drain), Version::Http1, server).await;
    let hyper = server.connections();
    with_reqwest(Http::builder().drain(drain), Version::Http1, server).await;
    server.is_left_alone().await;
    [hyper - before, server.connections() - hyper]
}

#[tokio::test]
async fn a_body_is_read_up_to_the_bound_on_bytes_and_no_further() {
    // Time is no bound here.
    let drain = |bytes| Drain::new().max_bytes(bytes).max_time(Duration::from_secs(60));
    let whole = 60 * 1024;

    // With a length, what is too long is not begun.
    let server = Server::raw(large).await;
    assert_eq!(drained_by(drain(whole), &server).await, [1, 1]);
    assert_eq!(drained_by(drain(whole - 1), &server).await, [6, 6]);

    // Without one, it is read until it turns out to be too long.
    let server = Server::raw(|mut peer| async move {
        let piece = [b"400\r\n", "x".repeat(1024).as_bytes(), b"\r\n"].concat();
        while peer.request().await.is_some() {
            peer.send("HTTP/1.1 503 -\r\ntransfer-encoding: chunked\r\n\r\n").await;
            peer.send([piece.repeat(60), b"0\r\n\r\n".to_vec()].concat()).await;
        }
    })
    .await;
    assert_eq!(drained_by(drain(whole), &server).await, [1, 1]);
    assert_eq!(drained_by(drain(1024), &server).await, [6, 6]);
}

#[tokio::test]
async fn a_body_is_waited_for_up_to_the_bound_on_time_and_no_longer() {
    let server = Server::raw(|mut peer| async move {
        while peer.request().await.is_some() {
            peer.send("HTTP/1.1 503 -\r\ntransfer-encoding: chunked\r\n\r\n").await;
            sleep(Duration::from_millis(100)).await;
            peer.send("4\r\nlate\r\n0\r\n\r\n").await;
        }
    })
    .await;
    assert_eq!(drained_by(Drain::new().max_time(Duration::from_secs(60)), &server).await, [1, 1]);
    assert_eq!(drained_by(Drain::new(), &server).await, [6, 6], "50 ms");
    assert_eq!(drained_by(Drain::new().max_time(Duration::from_millis(20)), &server).await, [6, 6]);
}

/// Always has a frame at hand, which is empty.
struct Nothing;

impl Body for Nothing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::new()))))
    }
}

#[tokio::test]
async fn a_body_of_empty_frames_without_end_is_given_up_in_time_and_lets_others_run() {
    let turns = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&turns);
    let other = tokio::spawn(async move {
        loop {
            count.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
        }
    });
    let limit = Duration::from_millis(20);
    let start = Instant::now();
    let rules = Http::builder().drain(Drain::new().max_time(limit));
    rules.discard(http::Response::new(Nothing)).expect("there may be a body to read").await;
    let took = start.elapsed();
    assert!(took >= limit && took < Duration::from_secs(3), "{took:?}");
    assert!(turns.load(Ordering::SeqCst) > 10, "{turns:?}");
    other.abort();
}

#[tokio::test]
async fn a_response_without_end_holds_the_next_attempt_up_for_a_moment_only() {
    let server = Server::raw(|mut peer| async move {
        peer.request().await;
        peer.send("HTTP/1.1 503 -\r\ntransfer-encoding: chunked\r\n\r\n4\r\nmore\r\n").await;
        peer.closed().await;
    })
    .await;
    let client =
        ServiceBuilder::new().layer(six_attempts(Http)).map_err(Error::Service).service(hyper_client(Version::Http1));
    let start = Instant::now();
    let get = Request::get(server.url("/")).body(Full::<Bytes>::default()).unwrap();
    let response = client.clone().oneshot(get).await.unwrap();
    let took = start.elapsed();
    assert_eq!((response.status().as_u16(), server.connections()), (503, 6));
    // Five drains of 50 ms, each with the pause within.
    assert!(took >= Duration::from_millis(250) && took < Duration::from_secs(3), "{took:?}");
    drop((client, response));
    server.is_left_alone().await;
}

#[tokio::test]
async fn a_refused_post_makes_as_many_streams_as_there_are_attempts() {
    // RFC 9113, section 7.
    const REFUSED_STREAM: u32 = 7;
    let server = Server::raw(|mut peer| async move {
        if peer.http2_preface().await.is_some() {
            while let Some(stream) = peer.http2_request().await {
                peer.rst_stream(stream, REFUSED_STREAM).await;
            }
        }
    })
    .await;
    let rules = Http::builder().without_redirects();
    let policy = RetryPolicy::builder().max_attempts(3).backoff(PAUSE).budget(RetryBudget::unlimited());
    let layer = RetryLayer::new(policy.build().unwrap(), rules);
    let send = async |builder: reqwest::ClientBuilder| {
        let client = builder.build().unwrap();
        let order = client.post(server.url("/")).body("order").build().unwrap();
        let stack = ServiceBuilder::new().layer(layer.clone()).map_err(Error::Service).service(client);
        stack.oneshot(order).await.expect_err("each stream is refused");
        server.is_left_alone().await;
        server.requests()
    };

    assert_eq!(send(direct_builder(Version::Http2)).await, 3);

    // As reqwest comes: it sends each of them three times, and pays for none.
    let builder = reqwest::Client::builder().no_proxy().http2_prior_knowledge();
    assert_eq!(send(builder.redirect(reqwest::redirect::Policy::none())).await, 3 + 9);
}
