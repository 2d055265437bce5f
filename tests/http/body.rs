//! Layers that hold on until the body of the response has ended.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::Body;
use hyper_util::client::legacy::connect::HttpInfo;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{Mutex, mpsc};
use tokio::time::{Instant, sleep};
use tower::{Layer, Service, ServiceBuilder, ServiceExt as _};
use windbreak::bulkhead::Semaphore;
use windbreak::circuit_breaker::State;
use windbreak::http::Http;
use windbreak::window::Tally;
use windbreak::{BulkheadLayer, Circuit, CircuitBreakerLayer, Error, Rejection, RetryLayer, RetryPolicy, TimeoutLayer};

use crate::support::http::{Peer, Server, Version, answer, hyper_client, reqwest_client};

type BoxError = Box<dyn StdError + Send + Sync>;

const HEAD: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

// ---- A body that comes as the test says

#[derive(Debug)]
enum Piece {
    Send(&'static str),
    Reset,
    /// The answer is complete, and the next request may come.
    Next,
}

const HELLO: Piece = Piece::Send("5\r\nhello\r\n");
const END: Piece = Piece::Send("0\r\n\r\n");

/// A server of which the test feeds the answers, to one connection at a time.
struct Fed {
    server: Server,
    feed: mpsc::UnboundedSender<Piece>,
}

impl Fed {
    async fn new() -> Self {
        async fn script(mut peer: Peer, pieces: Arc<Mutex<mpsc::UnboundedReceiver<Piece>>>) {
            while peer.request().await.is_some() {
                let mut pieces = pieces.lock().await;
                loop {
                    let piece = tokio::select! {
                        biased;
                        piece = pieces.recv() => piece,
                        () = peer.closed() => return,
                    };
                    match piece {
                        Some(Piece::Send(text)) => peer.send(text).await,
                        Some(Piece::Reset) => return peer.reset(),
                        Some(Piece::Next) | None => break,
                    };
                }
            }
        }

        let (feed, pieces) = mpsc::unbounded_channel();
        let pieces = Arc::new(Mutex::new(pieces));
        let server = Server::raw(move |peer| script(peer, Arc::clone(&pieces))).await;
        Self { server, feed }
    }

    fn feed<const N: usize>(&self, pieces: [Piece; N]) {
        for piece in pieces {
            self.feed.send(piece).expect("the server is there");
        }
    }
}

/// What the tests ask of an answer, whichever client it comes from.
trait Answer {
    async fn next(&mut self) -> Option<Result<Bytes, BoxError>>;

    async fn to_end(mut self) -> Result<Vec<u8>, BoxError>
    where
        Self: Sized,
    {
        let mut all = Vec::new();
        while let Some(data) = self.next().await {
            all.extend(data?);
        }
        Ok(all)
    }
}

impl<B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin> Answer for Response<B> {
    async fn next(&mut self) -> Option<Result<Bytes, BoxError>> {
        let frame = self.body_mut().frame().await?;
        Some(frame.map(|frame| frame.into_data().unwrap_or_default()).map_err(Into::into))
    }
}

impl Answer for reqwest::Response {
    async fn next(&mut self) -> Option<Result<Bytes, BoxError>> {
        self.chunk().await.map_err(Into::into).transpose()
    }
}

fn hyper_get(url: &str) -> Request<Full<Bytes>> {
    Request::get(url).body(Full::default()).expect("the test has a good URL")
}

fn reqwest_get(url: &str) -> reqwest::Request {
    reqwest::Request::new(http::Method::GET, url.parse().expect("the test has a good URL"))
}

/// Both clients under a layer, and how to ask them.
macro_rules! each_client {
    ($layer:expr, |$client:ident, $get:ident| $body:expr) => {{
        {
            let ($client, $get) = (under($layer, hyper_client(Version::Http1)), hyper_get);
            $body
        }
        {
            let ($client, $get) = (under($layer, reqwest_client(Version::Http1)), reqwest_get);
            $body
        }
    }};
}

fn under<L, S, R>(layer: L, client: S) -> L::Service
where
    L: Layer<tower::util::MapErr<S, fn(S::Error) -> Error<S::Error>>>,
    S: Service<R>,
{
    ServiceBuilder::new().layer(layer).map_err(Error::Service as fn(S::Error) -> Error<S::Error>).service(client)
}

// ---- Bulkhead

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
    let places = layer.semaphore();
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
    let places = layer.semaphore();
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
    let places = layer.semaphore();
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
    let places = bulkhead.semaphore();
    let policy = RetryPolicy::builder().backoff(Duration::from_millis(20)).build().unwrap();
    let retry = RetryLayer::new(policy, Http);
    let stack = || ServiceBuilder::new().layer(retry.clone()).layer(bulkhead.clone().until_body_end()).into_inner();
    each_client!(stack(), |client, get| check(client, get, &places).await);
}

// ---- Circuit breaker

const SLOW: Duration = Duration::from_millis(500);

fn circuit() -> Circuit {
    Circuit::builder("bodies").slow_calls(SLOW, 1.0).build().expect("the numbers are good")
}

fn tally(circuit: &Circuit) -> (u64, u64, u64) {
    let Tally { calls, failures, slow, .. } = circuit.snapshot().tally;
    (calls, failures, slow)
}

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

// ---- Timeout

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
    let places = bulkhead.semaphore();
    let stack = || {
        ServiceBuilder::new()
            .layer(CircuitBreakerLayer::new(circuit.clone(), Http).until_body_end())
            .layer(bulkhead.clone().until_body_end())
            .layer(TimeoutLayer::new(Duration::from_millis(300)).until_body_end())
            .into_inner()
    };
    each_client!(stack(), |client, get| check(client, get, &fed, &circuit, &places).await);
}

// ---- What passes through unchanged

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
    let places = bulkhead.semaphore();
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
