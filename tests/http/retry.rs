//! Retries over real connections: what the server has seen of them.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use tokio::net::TcpSocket;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tower::{ServiceBuilder, ServiceExt as _, service_fn};
use tracing::field::{Field, Visit};
use tracing::span;
use windbreak::http::idempotency_key::IdempotencyKeyLayer;
use windbreak::http::{Http, HttpRules, ResendCount};
use windbreak::retry::{Attempts, RetryBudget, RetryPolicyBuilder};
use windbreak::rules::{Classify as _, Rules};
use windbreak::{Effect, Error, Failure, RetryLayer, RetryPolicy, TimeoutLayer, Verdict};

use crate::support::http::{Peer, Server, Version, answer, dead_address, direct_client, hyper_client, reqwest_client};
use crate::support::listening::listen;

const X_RESEND: HeaderName = HeaderName::from_static("x-resend");

fn policy() -> RetryPolicyBuilder {
    RetryPolicy::builder().backoff(Duration::from_millis(1)).budget(RetryBudget::unlimited())
}

/// The rules for a reqwest that follows no redirects.
fn direct() -> HttpRules {
    Http::builder().without_redirects()
}

// ---- A server with its answers in order

/// What came of a request, by whichever client it was sent.
#[derive(Debug)]
struct Came {
    status: u16,
    attempts: Option<Attempts>,
    body: Bytes,
}

/// A server that gives these answers in turn, and then 200; and notes what it was sent.
struct Scripted {
    server: Server,
    log: Arc<Mutex<Vec<(Instant, HeaderMap, Bytes)>>>,
}

impl Scripted {
    async fn new<const N: usize>(answers: [(u16, &[(&str, &str)]); N]) -> Self {
        let answers = answers.map(|(status, headers)| {
            let mut answer = Response::builder().status(status);
            for &(name, value) in headers {
                answer = answer.header(name, value);
            }
            answer.body(Full::from("not yet")).expect("the test has good headers")
        });
        let answers = Arc::new(Mutex::new(VecDeque::from(answers)));
        let log = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&log);
        let server = Server::http(move |request| {
            let (answers, log) = (Arc::clone(&answers), Arc::clone(&noted));
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
                log.lock().expect("no server panics").push((Instant::now(), head.headers, body));
                answers.lock().expect("no server panics").pop_front().unwrap_or(Response::new(Full::from("ok")))
            }
        })
        .await;
        Self { server, log }
    }

    fn seen(&self) -> usize {
        self.log.lock().expect("no server panics").len()
    }

    /// A header of every request, in turn.
    fn headers(&self, name: &str) -> Vec<Option<String>> {
        let log = self.log.lock().expect("no server panics");
        log.iter().map(|(_, headers, _)| Some(headers.get(name)?.to_str().expect("text").to_owned())).collect()
    }

    /// The times between the requests.
    fn pauses(&self) -> Vec<Duration> {
        let log = self.log.lock().expect("no server panics");
        log.windows(2).map(|pair| pair[1].0 - pair[0].0).collect()
    }
}

#[derive(Debug, Clone, Copy)]
enum With {
    Hyper(Version),
    Reqwest(Version),
    /// reqwest without redirects, by rules that know it.
    Direct(Version),
}

const CLIENTS: [With; 6] = [
    With::Hyper(Version::Http1),
    With::Hyper(Version::Http2),
    With::Reqwest(Version::Http1),
    With::Reqwest(Version::Http2),
    With::Direct(Version::Http1),
    With::Direct(Version::Http2),
];

impl With {
    async fn send(self, policy: RetryPolicyBuilder, request: Request<&'static str>) -> Came {
        match self {
            Self::Hyper(version) => {
                let client = ServiceBuilder::new()
                    .layer(RetryLayer::new(policy.build().expect("the test has a good policy"), Http))
                    .map_err(Error::Service)
                    .service(hyper_client(version));
                let response = client.oneshot(request.map(Full::from)).await.expect("the server answers");
                let (status, attempts) = (response.status().as_u16(), response.extensions().get().cloned());
                let body = response.into_body().collect().await.expect("the body has an end").to_bytes();
                Came { status, attempts, body }
            }
            Self::Reqwest(version) => with_reqwest(reqwest_client(version), policy, Http, request).await,
            Self::Direct(version) => with_reqwest(direct_client(version), policy, direct(), request).await,
        }
    }
}

async fn with_reqwest<H>(
    client: reqwest::Client,
    policy: RetryPolicyBuilder,
    rules: H,
    request: Request<&'static str>,
) -> Came
where
    H: Rules<reqwest::Request, reqwest::Response, Error<reqwest::Error>>,
{
    let client = ServiceBuilder::new()
        .layer(RetryLayer::new(policy.build().expect("the test has a good policy"), rules))
        .map_err(Error::Service)
        .service(client);
    let request = reqwest::Request::try_from(request).expect("the test has a good URL");
    let response = client.oneshot(request).await.expect("the server answers");
    let (status, attempts) = (response.status().as_u16(), response.extensions().get().cloned());
    Came { status, attempts, body: response.bytes().await.expect("the body has an end") }
}

fn request(method: Method, server: &Server) -> Request<&'static str> {
    Request::builder().method(method).uri(server.url("/orders")).body("order").expect("the test has a good URL")
}

fn keyed(server: &Server, key: &str) -> Request<&'static str> {
    let mut request = request(Method::POST, server);
    request.headers_mut().insert("idempotency-key", key.parse().expect("the test has a good key"));
    request
}

#[tokio::test]
async fn what_is_idempotent_is_sent_again_as_it_was() {
    for client in CLIENTS {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let scripted = Scripted::new([(500, &[]), (502, &[])]).await;
            let came = client.send(policy(), request(method, &scripted.server)).await;
            assert_eq!((came.status, &*came.body), (200, &b"ok"[..]));
            let log = scripted.log.lock().unwrap().clone();
            assert_eq!(log.len(), 3, "{client:?}");
            assert!(log.iter().all(|(_, headers, body)| *headers == log[0].1 && *body == "order"), "{log:?}");
        }
    }
}

#[tokio::test]
async fn a_post_is_sent_again_only_if_it_was_certainly_turned_away() {
    for client in CLIENTS {
        // What reqwest says by default may be said of the page that a redirect led to.
        let turned_away = if matches!(client, With::Reqwest(_)) { 1 } else { 2 };
        for (first, times) in [
            (500, 1),
            (502, 1),
            (503, 1),
            (504, 1),
            (408, 1),
            (409, 1),
            (422, 1),
            (425, turned_away),
            (429, turned_away),
        ] {
            let scripted = Scripted::new([(first, &[])]).await;
            let came = client.send(policy(), request(Method::POST, &scripted.server)).await;
            assert_eq!((scripted.seen(), came.status), (times, if times == 1 { first } else { 200 }), "{client:?}");
        }
        let scripted = Scripted::new([(503, &[("retry-after", "0")])]).await;
        client.send(policy(), request(Method::POST, &scripted.server)).await;
        assert_eq!(scripted.seen(), 1, "{client:?}: a proxy may send that of an order that was placed");
    }
}

#[tokio::test]
async fn a_keyed_post_is_repeated_and_waits_for_an_earlier_attempt_of_its_own() {
    for client in CLIENTS {
        let scripted = Scripted::new([(500, &[]), (409, &[("retry-after-ms", "30")]), (409, &[])]).await;
        let four = policy().max_attempts(4);
        let came = client.send(four, keyed(&scripted.server, "\"mine\"")).await;
        assert_eq!(came.status, 200, "{client:?}");
        assert_eq!(scripted.headers("idempotency-key"), vec![Some("\"mine\"".to_owned()); 4]);
        assert!(scripted.pauses()[1] >= Duration::from_millis(30));

        // The same key with another order: no repeat will make it right.
        let scripted = Scripted::new([(422, &[])]).await;
        let came = client.send(policy(), keyed(&scripted.server, "\"mine\"")).await;
        assert_eq!((came.status, scripted.seen()), (422, 1), "{client:?}");
    }
}

#[tokio::test]
async fn a_key_is_made_for_a_request_and_not_for_an_attempt() {
    let scripted = Scripted::new([(500, &[]), (500, &[]), (200, &[]), (500, &[])]).await;
    let client = ServiceBuilder::new()
        .layer(IdempotencyKeyLayer::new())
        .layer(RetryLayer::new(policy().build().unwrap(), Http))
        .map_err(Error::Service)
        .service(reqwest_client(Version::Http1));
    for _ in 0..2 {
        let request = reqwest::Request::try_from(request(Method::POST, &scripted.server)).unwrap();
        assert_eq!(client.clone().oneshot(request).await.unwrap().status(), 200);
    }
    let mine = reqwest::Request::try_from(keyed(&scripted.server, "\"mine\"")).unwrap();
    assert_eq!(client.clone().oneshot(mine).await.unwrap().status(), 200);
    let keys: Vec<_> = scripted.headers("idempotency-key").into_iter().map(Option::unwrap).collect();
    assert_eq!(keys.len(), 6);
    assert!(keys[0] == keys[1] && keys[1] == keys[2] && keys[3] == keys[4], "{keys:?}");
    assert!(keys[0] != keys[3] && keys[5] == "\"mine\"", "{keys:?}");
    drop(client);
    scripted.server.is_left_alone().await;
}

#[tokio::test]
async fn an_upload_that_streams_is_sent_once_and_its_response_returned() {
    for version in [Version::Http1, Version::Http2] {
        let scripted = Scripted::new([(503, &[("retry-after", "0")])]).await;
        let client = ServiceBuilder::new()
            .layer(RetryLayer::new(policy().build().unwrap(), Http))
            .map_err(Error::Service)
            .service(reqwest_client(version));
        let mut request = reqwest::Request::try_from(request(Method::PUT, &scripted.server)).unwrap();
        *request.body_mut() = Some(reqwest::Body::wrap(Full::<Bytes>::from("streamed")));
        let response = client.oneshot(request).await.unwrap();
        assert_eq!(response.status(), 503);
        assert_eq!(response.extensions().get::<Attempts>(), None);
        assert_eq!(response.text().await.unwrap(), "not yet");
        assert_eq!((scripted.seen(), &*scripted.log.lock().unwrap()[0].2), (1, &b"streamed"[..]));
        scripted.server.is_left_alone().await;
    }
}

#[tokio::test]
async fn redirects_to_another_host_are_followed_on_every_attempt() {
    let target = Scripted::new([(503, &[])]).await;
    let location = target.server.url("/moved");
    let moved = [("location", location.as_str())];
    let scripted = Scripted::new([(307, &moved[..]), (307, &moved[..])]).await;
    let client = ServiceBuilder::new()
        .layer(RetryLayer::new(policy().build().unwrap(), Http))
        .map_err(Error::Service)
        .service(reqwest_client(Version::Http1));
    let get = reqwest::Request::try_from(request(Method::GET, &scripted.server)).unwrap();
    let response = client.clone().oneshot(get).await.unwrap();
    assert_eq!((response.status().as_u16(), response.url().as_str()), (200, location.as_str()));
    assert_eq!((scripted.seen(), target.seen()), (2, 2));
    drop((client, response));
    scripted.server.is_left_alone().await;
    target.server.is_left_alone().await;
}

/// What the page does to which an order is redirected once it is placed.
#[derive(Debug, Clone, Copy)]
enum Receipt {
    Answers(u16),
    CannotBeReached,
}

/// How often an order is placed, where each is answered by this status and each receipt fails; and what the caller is told.
async fn orders_placed<H>(
    client: reqwest::Client,
    layer: RetryLayer<H>,
    status: u16,
    receipt: Receipt,
    key: Option<&str>,
) -> (usize, Option<u16>)
where
    H: Rules<reqwest::Request, reqwest::Response, Error<reqwest::Error>>,
{
    let placed = Arc::new(AtomicUsize::new(0));
    // Bound, so that nobody else can listen there.
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("the loopback has free ports");
    let (count, dead) = (Arc::clone(&placed), socket.local_addr().expect("it is bound"));
    let server = Server::http(move |request| {
        let mut answer = Response::builder();
        if request.method() == Method::POST {
            count.fetch_add(1, Ordering::SeqCst);
            let location = match receipt {
                // The very same URL: it does not tell the two requests apart.
                Receipt::Answers(_) => "/orders".to_owned(),
                Receipt::CannotBeReached => format!("http://{dead}/"),
            };
            answer = answer.status(status).header("location", location);
        } else if let Receipt::Answers(status) = receipt {
            answer = answer.status(status).header("retry-after", "0");
        }
        async move { answer.body(Full::<Bytes>::default()).expect("the test has good headers") }
    })
    .await;
    let request = key.map_or_else(|| request(Method::POST, &server), |key| keyed(&server, key));
    let request = reqwest::Request::try_from(request).expect("the test has a good URL");
    let client = ServiceBuilder::new().layer(layer).map_err(Error::Service).service(client);
    let status = client.oneshot(request).await.ok().map(|response| response.status().as_u16());
    (placed.load(Ordering::SeqCst), status)
}

#[tokio::test]
async fn an_order_that_is_placed_and_whose_receipt_fails_is_placed_once() {
    let mut running = JoinSet::new();
    for status in [301, 302, 303] {
        for receipt in [421, 425, 429, 503].map(Receipt::Answers).into_iter().chain([Receipt::CannotBeReached]) {
            running.spawn(async move {
                let told = if let Receipt::Answers(status) = receipt { Some(status) } else { None };
                let retry = || RetryLayer::new(RetryPolicy::builder().build().unwrap(), Http);
                let once = orders_placed(reqwest_client(Version::Http1), retry(), status, receipt, None).await;
                assert_eq!(once, (1, told), "{status}, {receipt:?}");
                // The server acts once for each key.
                let keyed = orders_placed(reqwest_client(Version::Http1), retry(), status, receipt, Some("\"mine\""));
                assert_eq!(keyed.await, (3, told), "{status}, {receipt:?}");
                // The redirect is the answer.
                let retry = RetryLayer::new(RetryPolicy::builder().build().unwrap(), direct());
                let once = orders_placed(direct_client(Version::Http1), retry, status, receipt, None).await;
                assert_eq!(once, (1, Some(status)), "{status}, {receipt:?}");
            });
        }
    }
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
}

#[tokio::test]
async fn retry_after_is_obeyed_in_every_form() {
    const DATE: (&str, &str) = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
    let forms: [&[(&str, &str)]; 3] = [
        &[("retry-after", "1")],
        &[DATE, ("retry-after", "Sun, 06 Nov 1994 08:49:38 GMT")],
        &[("retry-after-ms", "1000"), ("retry-after", "7")],
    ];
    let mut running = JoinSet::new();
    for (form, status) in forms.into_iter().zip([429, 503, 503]) {
        for client in CLIENTS {
            running.spawn(async move {
                let scripted = Scripted::new([(status, form)]).await;
                let came = client.send(policy(), keyed(&scripted.server, "\"mine\"")).await;
                assert_eq!(came.status, 200, "{form:?} {client:?}");
                let pause = scripted.pauses()[0];
                // By the server's own clock, which is our own.
                assert!(
                    pause >= Duration::from_secs(1) && pause < Duration::from_secs(4),
                    "{form:?} {client:?}: {pause:?}"
                );
                assert!(came.attempts.unwrap().paused() >= Duration::from_secs(1));
            });
        }
    }
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
}

#[tokio::test]
async fn too_long_a_retry_after_is_given_up_at_once() {
    for client in CLIENTS {
        for form in [("retry-after", "3600"), ("retry-after", "61"), ("retry-after", "Sat, 06 Nov 2094 08:49:38 GMT")] {
            let scripted = Scripted::new([(503, &[form])]).await;
            let start = Instant::now();
            let came = client.send(policy(), request(Method::GET, &scripted.server)).await;
            assert_eq!((came.status, &*came.body, scripted.seen()), (503, &b"not yet"[..], 1), "{form:?} {client:?}");
            assert_eq!(came.attempts, None);
            assert!(start.elapsed() < Duration::from_secs(5), "{form:?} {client:?}");
        }
    }
}

// ---- What is noted of the attempts

/// Breaks off, is silent, turns away, and then answers.
async fn moody(peers: Arc<Mutex<u32>>, mut peer: Peer) {
    while peer.request().await.is_some() {
        let turn = {
            let mut turn = peers.lock().expect("no server panics");
            *turn += 1;
            *turn
        };
        match turn {
            1 => return,
            2 => return peer.closed().await,
            3 => peer.send(answer(503, &[("retry-after-ms", "20")], "")).await,
            _ => peer.send(answer(200, &[], "ok")).await,
        };
    }
}

async fn moody_server() -> Server {
    let turns = Arc::new(Mutex::new(0));
    Server::raw(move |peer| moody(Arc::clone(&turns), peer)).await
}

#[tokio::test]
async fn a_response_says_what_it_took_to_get_it() {
    let four = || RetryLayer::new(policy().max_attempts(4).build().unwrap(), Http);
    let timeout = TimeoutLayer::new(Duration::from_millis(300));
    let check = |attempts: Option<&Attempts>| {
        let attempts = attempts.expect("it took more than one");
        assert_eq!(attempts.count(), 4);
        assert_eq!(attempts.reasons().collect::<Vec<_>>(), ["closed", "timeout", "503"]);
        assert_eq!(attempts.paused(), Duration::from_millis(1 + 1 + 21));
    };

    let server = moody_server().await;
    let stack = ServiceBuilder::new().layer(four()).layer(timeout).map_err(Error::Service);
    let client = stack.service(hyper_client(Version::Http1));
    let get = || Request::get(server.url("/")).body(Full::<Bytes>::default()).unwrap();
    let response = client.clone().oneshot(get()).await.unwrap();
    check(response.extensions().get());
    assert_eq!(client.clone().oneshot(get()).await.unwrap().extensions().get::<Attempts>(), None, "it took one");
    drop((client, response));
    server.is_left_alone().await;

    let server = moody_server().await;
    let stack = ServiceBuilder::new().layer(four()).layer(timeout).map_err(Error::Service);
    let client = stack.service(reqwest_client(Version::Http1));
    let get = reqwest::Request::new(Method::GET, server.url("/").parse().unwrap());
    let response = client.clone().oneshot(get).await.unwrap();
    check(response.extensions().get());
    drop((client, response));
    server.is_left_alone().await;
}

/// A 429 says that the last attempt did nothing, and nothing of the one before.
#[tokio::test]
async fn a_response_of_the_last_attempt_does_not_hide_what_an_earlier_one_may_have_done() {
    type Client = Error<std::convert::Infallible>;

    let effect_of = async |statuses: [u16; 2]| {
        let turn = Arc::new(AtomicUsize::new(0));
        let client = ServiceBuilder::new()
            .layer(RetryLayer::new(policy().max_attempts(2).build().unwrap(), Http))
            .service(service_fn(move |_: Request<Full<Bytes>>| {
                let response = Response::builder().status(statuses[turn.fetch_add(1, Ordering::Relaxed)]);
                async { Ok::<_, Client>(response.body(Full::<Bytes>::default()).unwrap()) }
            }));
        let post = Request::post("/orders").header("idempotency-key", "1").body(Full::default()).unwrap();
        let response = client.oneshot(post).await.unwrap();
        let idle = |status: StatusCode, _: &HeaderMap| {
            status.is_client_error().then_some(Verdict::Failure(Failure::new(Effect::NotApplied)))
        };
        let verdicts = [
            Http.classify(Ok::<_, &Client>(&response)),
            Http::builder().classify(Ok::<_, &Client>(&response)),
            Http::builder().classify_with(idle).classify(Ok::<_, &Client>(&response)),
        ];
        verdicts.map(|verdict| match verdict {
            Verdict::Throttled { effect, .. } => Some(effect),
            Verdict::Failure(failure) => Some(failure.effect),
            _ => None,
        })
    };
    assert_eq!(effect_of([500, 429]).await, [Some(Effect::Unknown); 3]);
    assert_eq!(effect_of([500, 421]).await, [Some(Effect::Unknown); 3]);
    assert_eq!(effect_of([429, 429]).await, [Some(Effect::NotApplied); 3]);
}

#[tokio::test]
async fn an_attempt_is_numbered_in_the_extensions_and_in_a_header_if_asked_for() {
    let scripted = Scripted::new([(503, &[]), (503, &[])]).await;
    let counts = Arc::new(Mutex::new(Vec::new()));
    let (seen, hyper) = (Arc::clone(&counts), hyper_client(Version::Http2));
    let client = ServiceBuilder::new()
        .layer(RetryLayer::new(policy().build().unwrap(), Http::builder().resend_header(X_RESEND)))
        .map_err(Error::Service)
        .service(service_fn(move |request: Request<Full<Bytes>>| {
            seen.lock().unwrap().push(request.extensions().get::<ResendCount>().map(|count| count.0));
            hyper.request(request)
        }));
    let get = Request::get(scripted.server.url("/")).body(Full::default()).unwrap();
    assert_eq!(client.clone().oneshot(get).await.unwrap().status(), 200);
    assert_eq!(*counts.lock().unwrap(), [None, Some(1), Some(2)]);
    assert_eq!(scripted.headers(X_RESEND.as_str()), [None, Some("1".to_owned()), Some("2".to_owned())]);
    drop(client);
    scripted.server.is_left_alone().await;

    // Unasked, no header is sent.
    let scripted = Scripted::new([(503, &[])]).await;
    With::Hyper(Version::Http1).send(policy(), request(Method::GET, &scripted.server)).await;
    assert_eq!(scripted.headers(X_RESEND.as_str()), [None, None]);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_is_numbered_also_where_a_closure_copies_it() {
    /// Is not `Clone`, which is why a closure copies the request.
    struct Upload;

    let counts = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&counts);
    let rules = Http::builder().resend_header(X_RESEND).copy_with(|request: &Request<Upload>| {
        let copy = Request::builder().method(request.method()).uri(request.uri()).body(Upload);
        copy.ok()
    });
    let client = ServiceBuilder::new()
        .layer(RetryLayer::new(policy().build().unwrap(), rules))
        .map_err(Error::Service)
        .service(service_fn(move |request: Request<Upload>| {
            let count = request.extensions().get::<ResendCount>().map(|count| count.0);
            seen.lock().unwrap().push((count, request.headers().get(X_RESEND).cloned()));
            async { Ok::<_, std::io::Error>(Response::builder().status(503).body(String::new()).unwrap()) }
        }));
    assert_eq!(client.oneshot(Request::new(Upload)).await.unwrap().status(), 503);
    let expected = [None, Some(1), Some(2)].map(|count: Option<u32>| (count, count.map(HeaderValue::from)));
    assert_eq!(*counts.lock().unwrap(), expected);
}

/// Notes the fields of each span `attempt`.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<HashMap<String, String>>>>);

struct Fields<'a>(&'a mut HashMap<String, String>);

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }
}

impl tracing::Subscriber for Spans {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.is_span() && metadata.name() == "attempt" && metadata.target().starts_with("windbreak")
    }

    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        let mut fields = HashMap::new();
        span.record(&mut Fields(&mut fields));
        let mut spans = self.0.lock().expect("nobody panics");
        spans.push(fields);
        span::Id::from_u64(spans.len() as u64)
    }

    fn record(&self, span: &span::Id, values: &span::Record<'_>) {
        let mut spans = self.0.lock().expect("nobody panics");
        let number = usize::try_from(span.into_u64()).expect("there are few");
        values.record(&mut Fields(&mut spans[number - 1]));
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, _: &tracing::Event<'_>) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[tokio::test]
async fn each_attempt_has_a_span_with_its_number_and_what_was_wrong_with_it() {
    let spans = Spans::default();
    let _listening = listen(spans.clone());
    let server = moody_server().await;
    let client = ServiceBuilder::new()
        .layer(RetryLayer::new(policy().max_attempts(4).build().unwrap(), Http))
        .layer(TimeoutLayer::new(Duration::from_millis(300)))
        .map_err(Error::Service)
        .service(hyper_client(Version::Http1));
    let get = Request::get(server.url("/")).body(Full::<Bytes>::default()).unwrap();
    assert_eq!(client.clone().oneshot(get).await.unwrap().status(), 200);

    let gone = format!("http://{}/", dead_address());
    let get = Request::post(gone).body(Full::<Bytes>::default()).unwrap();
    client.clone().oneshot(get).await.unwrap_err();

    let spans = spans.0.lock().unwrap();
    let noted: Vec<_> = spans
        .iter()
        .map(|fields| (&*fields["http.request.resend_count"], fields.get("error.type").map(String::as_str)))
        .collect();
    let harmless = Some("connection_refused");
    let [first, second, third] = [("0", Some("closed")), ("1", Some("timeout")), ("2", Some("503"))];
    let rest = [("3", None), ("0", harmless), ("1", harmless), ("2", harmless), ("3", harmless)];
    assert_eq!(noted, [&[first, second, third][..], &rest].concat());
}
