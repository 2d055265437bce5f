//! What HTTP means, over real sockets: reqwest's client and hyper-util's, against a hyper server on loopback.

use std::future::ready;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::{Log, millis};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::HeaderValue;
use hyper::server::conn::http1;
use hyper::service::service_fn as hyper_service;
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
use windbreak::http::{Http, HttpRules};
use windbreak::retry::RetryBudget;
use windbreak::rules::Classify;
use windbreak::{
    BulkheadLayer, Circuit, CircuitBreakerLayer, Effect, Error, Failure, RetryLayer, RetryPolicy, TimeoutLayer, Verdict,
};

const NO_EFFECT: Verdict = Verdict::Failure(Failure::new(Effect::NotApplied));
const UNKNOWN_EFFECT: Verdict = Verdict::Failure(Failure::new(Effect::Unknown));

/// A server on a port of its own, which remembers the bodies it was sent.
#[derive(Clone)]
struct Server {
    address: SocketAddr,
    bodies: Arc<Mutex<Vec<Bytes>>>,
}

impl Server {
    /// Answers the n-th request, counted from 1, with `answer(n)`, and "answer n" as the body.
    fn start(answer: impl Fn(usize) -> Response<()> + Clone + Send + 'static) -> Self {
        Self::start_at(port(), answer)
    }

    fn start_at(port: TcpSocket, answer: impl Fn(usize) -> Response<()> + Clone + Send + 'static) -> Self {
        let listener = port.listen(16).expect("nobody else listens there");
        let address = listener.local_addr().expect("it is bound");
        let server = Self { address, bodies: Arc::default() };
        let shared = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (server, answer) = (shared.clone(), answer.clone());
                let service = hyper_service(move |request| server.clone().respond(request, answer.clone()));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        server
    }

    async fn respond(
        self,
        request: Request<Incoming>,
        answer: impl Fn(usize) -> Response<()>,
    ) -> Result<Response<Full<Bytes>>, hyper::Error> {
        let body = request.into_body().collect().await?.to_bytes();
        let number = {
            let mut bodies = self.bodies.lock().expect("no test panics here");
            bodies.push(body);
            bodies.len()
        };
        Ok(answer(number).map(|()| Full::from(format!("answer {number}"))))
    }

    fn bodies(&self) -> Vec<Bytes> {
        self.bodies.lock().expect("no test panics here").clone()
    }

    fn hits(&self) -> usize {
        self.bodies().len()
    }
}

fn status(status: u16) -> Response<()> {
    Response::builder().status(status).body(()).expect("it is a status")
}

fn header(mut response: Response<()>, name: &'static str, value: &'static str) -> Response<()> {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}

/// A port on which nobody listens, nor can while it is held.
fn port() -> TcpSocket {
    let port = TcpSocket::new_v4().expect("there are sockets to be had");
    port.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("loopback has a free port");
    port
}

/// An address whose server reads some of each request, and then does as it is told.
fn rude_server<F: Future + Send + 'static>(then: fn(TcpStream) -> F) -> SocketAddr {
    let listener = port().listen(16).expect("nobody else listens there");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 1024]).await;
                then(stream).await;
            });
        }
    });
    address
}

fn reqwest_client() -> reqwest::Client {
    reqwest_builder().build().expect("the client is valid")
}

fn reqwest_builder() -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder().no_proxy().retry(reqwest::retry::never());
    builder.redirect(reqwest::redirect::Policy::none())
}

/// Right for hyper, and for reqwest as it is built here.
fn rules() -> HttpRules {
    Http::builder().without_redirects()
}

fn hyper_client() -> Client<HttpConnector, Full<Bytes>> {
    Client::builder(TokioExecutor::new()).build_http()
}

fn reqwest_get(address: impl std::fmt::Display) -> reqwest::Request {
    reqwest_client().get(format!("http://{address}/")).build().expect("the request is valid")
}

fn hyper_get(address: impl std::fmt::Display) -> Request<Full<Bytes>> {
    Request::get(format!("http://{address}/")).body(Full::default()).expect("the request is valid")
}

/// What is made of the answer to one request.
async fn verdict<S, R, E>(client: S, request: R) -> Verdict
where
    S: Service<R, Error = Error<E>>,
    HttpRules: Classify<S::Response, Error<E>>,
{
    let result = client.oneshot(request).await;
    rules().classify(result.as_ref())
}

/// What is made of the answer of `address`, through either client.
async fn both_verdicts(address: impl std::fmt::Display) -> [Verdict; 2] {
    [
        verdict(reqwest_client().map_err(Error::Service), reqwest_get(&address)).await,
        verdict(hyper_client().map_err(Error::Service), hyper_get(&address)).await,
    ]
}

/// What the table says of a status without headers.
fn expected(code: u16) -> Verdict {
    match code {
        421 | 425 | 429 => NO_EFFECT,
        408 | 500..=599 => UNKNOWN_EFFECT,
        409 => Verdict::in_progress(None),
        400..=499 => Verdict::Declined,
        _ => Verdict::Success,
    }
}

#[tokio::test]
async fn every_status_is_judged_as_the_table_says() {
    for code in [200, 201, 204, 304, 400, 401, 404, 408, 409, 418, 421, 425, 429, 499, 500, 502, 503, 504, 599] {
        let server = Server::start(move |_| status(code));
        assert_eq!(both_verdicts(server.address).await, [expected(code); 2], "{code}");
        assert_eq!(server.hits(), 2);
    }
    for code in 100..=999 {
        let answer = status(code);
        assert_eq!(Http.answer(&answer), expected(code), "{code}");
    }
}

#[tokio::test]
async fn a_server_that_says_when_to_come_back_did_not_act_if_it_was_unavailable() {
    let asked = Some(Duration::from_secs(7));
    for (code, effect) in
        [(503, Effect::NotApplied), (429, Effect::NotApplied), (500, Effect::Unknown), (408, Effect::Unknown)]
    {
        let server = Server::start(move |_| header(status(code), "retry-after", "7"));
        let mut failure = Failure::new(effect);
        failure.retry_after = asked;
        assert_eq!(both_verdicts(server.address).await, [Verdict::Failure(failure); 2], "{code}");
    }
    let server = Server::start(|_| header(status(409), "retry-after", "7"));
    assert_eq!(both_verdicts(server.address).await, [Verdict::in_progress(asked); 2]);
}

#[tokio::test]
async fn a_refused_connection_had_no_effect() {
    let closed = port();
    assert_eq!(both_verdicts(closed.local_addr().unwrap()).await, [NO_EFFECT; 2]);
}

/// Resolves no name, or never answers.
#[derive(Clone, Copy)]
enum Resolver {
    Fails,
    Hangs,
}

impl Resolver {
    async fn resolve<T>(self) -> Result<T, io::Error> {
        match self {
            Self::Fails => Err(io::Error::other("no such host")),
            Self::Hangs => std::future::pending().await,
        }
    }
}

impl reqwest::dns::Resolve for Resolver {
    fn resolve(&self, _: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let resolving = Self::resolve(*self);
        Box::pin(async { Ok(resolving.await?) })
    }
}

#[tokio::test]
async fn a_host_that_does_not_exist_saw_no_effect() {
    let client = reqwest_builder().dns_resolver(Resolver::Fails).build().unwrap();
    assert_eq!(verdict(client.map_err(Error::Service), reqwest_get("nowhere.test")).await, NO_EFFECT);

    let resolver = service_fn(|_| Resolver::Fails.resolve::<std::vec::IntoIter<SocketAddr>>());
    let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new_with_resolver(resolver));
    assert_eq!(verdict(client.map_err(Error::Service), hyper_get("nowhere.test")).await, NO_EFFECT);
}

#[tokio::test]
async fn a_connection_that_came_about_too_late_had_no_effect() {
    let client = reqwest_builder().dns_resolver(Resolver::Hangs).connect_timeout(millis(20)).build().unwrap();
    assert_eq!(verdict(client.map_err(Error::Service), reqwest_get("nowhere.test")).await, NO_EFFECT);
}

#[tokio::test]
async fn a_connection_whose_handshake_failed_had_no_effect() {
    let connector = service_fn(|_: Uri| ready(Err::<TokioIo<TcpStream>, _>(io::Error::other("not trusted"))));
    let client = Client::builder(TokioExecutor::new()).build(connector);
    assert_eq!(verdict(client.map_err(Error::Service), hyper_get("nowhere.test")).await, NO_EFFECT);
}

#[tokio::test]
async fn a_connection_that_closed_before_the_request_was_sent_had_no_effect() {
    let server = Server::start(|_| status(200));
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    drop(connection);
    let error = sender.send_request(hyper_get(server.address)).await.unwrap_err();
    assert_eq!(Http.error(&error), NO_EFFECT);
    assert_eq!(server.hits(), 0);
}

/// A server of HTTP/2 that answers the request on a stream with these bytes, and hangs up when it is quiet.
fn http2_server(answer: fn(stream: u8) -> Vec<u8>) -> SocketAddr {
    const PREFACE: usize = 24;
    const HEADERS: u8 = 1;
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let listener = port().listen(16).expect("nobody else listens there");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                stream.read_exact(&mut [0; PREFACE]).await?;
                stream.write_all(&SETTINGS).await?;
                let mut head = [0; 9];
                while timeout(millis(100), stream.read_exact(&mut head)).await.is_ok_and(|read| read.is_ok()) {
                    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
                    stream.read_exact(&mut vec![0; length as usize]).await?;
                    if head[3] == HEADERS {
                        stream.write_all(&answer(head[8])).await?;
                    }
                }
                Ok::<_, io::Error>(())
            });
        }
    });
    address
}

fn reset(stream: u8, reason: u8) -> Vec<u8> {
    vec![0, 0, 4, 3, 0, 0, 0, 0, stream, 0, 0, 0, reason]
}

fn go_away(last_stream: u8, reason: u8) -> Vec<u8> {
    vec![0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, last_stream, 0, 0, 0, reason]
}

/// What is made of the answer of an HTTP/2 server, through either client.
async fn both_http2_verdicts(answer: fn(stream: u8) -> Vec<u8>) -> [Verdict; 2] {
    let address = http2_server(answer);
    let reqwest = reqwest_builder().http2_prior_knowledge().build().expect("the client is valid");
    let hyper = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    [
        verdict(reqwest.map_err(Error::Service), reqwest_get(address)).await,
        verdict(hyper.map_err(Error::Service), hyper_get(address)).await,
    ]
}

#[tokio::test]
async fn what_an_http2_server_says_it_did_not_act_on_had_no_effect() {
    const NO_ERROR: u8 = 0;
    const INTERNAL_ERROR: u8 = 2;
    const REFUSED_STREAM: u8 = 7;
    assert_eq!(both_http2_verdicts(|stream| reset(stream, REFUSED_STREAM)).await, [NO_EFFECT; 2]);
    assert_eq!(both_http2_verdicts(|stream| reset(stream, INTERNAL_ERROR)).await, [UNKNOWN_EFFECT; 2]);
    assert_eq!(both_http2_verdicts(|stream| go_away(stream - 1, NO_ERROR)).await, [NO_EFFECT; 2]);
    assert_eq!(both_http2_verdicts(|stream| go_away(stream, NO_ERROR)).await, [UNKNOWN_EFFECT; 2]);
    assert_eq!(both_http2_verdicts(|stream| go_away(stream, INTERNAL_ERROR)).await, [UNKNOWN_EFFECT; 2]);
}

#[tokio::test]
async fn a_server_that_hangs_up_before_it_answers_may_have_acted() {
    let address = rude_server(|stream| async move { drop(stream) });
    assert_eq!(both_verdicts(address).await, [UNKNOWN_EFFECT; 2]);
}

#[tokio::test]
async fn a_server_that_does_not_speak_http_may_have_acted() {
    let address = rude_server(|mut stream| async move {
        let _ = stream.write_all(b"220 mail.test ESMTP\r\n").await;
    });
    assert_eq!(both_verdicts(address).await, [UNKNOWN_EFFECT; 2]);
}

#[tokio::test]
async fn a_timeout_may_have_had_an_effect_whose_ever_it_is() {
    let address = rude_server(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    });
    let ours = || ServiceBuilder::new().layer(TimeoutLayer::new(millis(50)));
    assert_eq!(
        verdict(ours().map_err(Error::Service).service(reqwest_client()), reqwest_get(address)).await,
        UNKNOWN_EFFECT
    );
    assert_eq!(
        verdict(ours().map_err(Error::Service).service(hyper_client()), hyper_get(address)).await,
        UNKNOWN_EFFECT
    );
    let theirs = reqwest_builder().timeout(millis(50)).build().unwrap();
    assert_eq!(verdict(theirs.map_err(Error::Service), reqwest_get(address)).await, UNKNOWN_EFFECT);
}

#[tokio::test]
async fn every_other_rejection_of_ours_is_ignored() {
    let open = Circuit::builder("down").build().unwrap();
    open.force_open();
    let client =
        ServiceBuilder::new().layer(CircuitBreakerLayer::new(open)).map_err(Error::Service).service(hyper_client());
    assert_eq!(verdict(client, hyper_get("nowhere.test")).await, Verdict::Ignored);

    for max_wait in [Duration::ZERO, millis(20)] {
        let mut client = ServiceBuilder::new()
            .layer(BulkheadLayer::new(1).unwrap().max_wait(max_wait))
            .map_err(Error::Service)
            .service(reqwest_client());
        let _in_flight = client.ready().await.unwrap().call(reqwest_get("nowhere.test"));
        assert_eq!(verdict(client, reqwest_get("nowhere.test")).await, Verdict::Ignored);
    }
}

/// So many attempts at the most, 5 ms apart.
fn retry(max_attempts: u32) -> RetryLayer<HttpRules, HttpRules> {
    let policy = RetryPolicy::builder().max_attempts(max_attempts).backoff(millis(5)).classify(rules()).replay(rules());
    RetryLayer::new(policy.budget(RetryBudget::unlimited()).build().expect("the policy is valid"))
}

/// reqwest's client with retries. The log has an entry for each attempt.
fn retrying(
    max_attempts: u32,
    log: &Log,
) -> impl Service<reqwest::Request, Response = reqwest::Response, Error = Error<reqwest::Error>> + Clone + use<> {
    let log = log.clone();
    ServiceBuilder::new()
        .layer(retry(max_attempts))
        .map_request(move |request| {
            log.note();
            request
        })
        .map_err(Error::Service)
        .service(reqwest_client())
}

fn request(method: &str, address: SocketAddr) -> reqwest::RequestBuilder {
    let method = method.parse().expect("it is a method");
    reqwest_client().request(method, format!("http://{address}/")).body("an order")
}

/// Sends the request to a server that answers 500 first; says which status came back, and what the server was sent.
async fn after_a_500(request: impl FnOnce(SocketAddr) -> reqwest::RequestBuilder) -> (u16, Vec<Bytes>) {
    let server = Server::start(|number| status(if number == 1 { 500 } else { 200 }));
    let request = request(server.address).build().expect("the request is valid");
    let response = retrying(3, &Log::default()).oneshot(request).await.expect("the server answers");
    (response.status().as_u16(), server.bodies())
}

#[tokio::test]
async fn a_post_is_not_repeated_after_a_500() {
    for method in ["POST", "PATCH", "SEARCHISH"] {
        assert_eq!(after_a_500(|address| request(method, address)).await, (500, vec![Bytes::from("an order")]));
    }
}

#[tokio::test]
async fn idempotent_methods_are_repeated_with_the_same_body() {
    for method in ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"] {
        let (status, bodies) = after_a_500(|address| request(method, address)).await;
        assert_eq!((status, bodies), (200, vec![Bytes::from("an order"); 2]), "{method}");
    }
}

#[tokio::test]
async fn a_post_with_an_idempotency_key_is_repeated() {
    for name in ["Idempotency-Key", "idempotency-key"] {
        let (status, bodies) = after_a_500(|address| request("POST", address).header(name, "8e03978e")).await;
        assert_eq!((status, bodies), (200, vec![Bytes::from("an order"); 2]));
    }
}

#[tokio::test]
async fn a_request_in_progress_is_repeated_only_with_an_idempotency_key() {
    for (method, key, hits) in [("POST", true, 2), ("POST", false, 1), ("PUT", false, 1)] {
        let server = Server::start(|number| status(if number == 1 { 409 } else { 200 }));
        let mut request = request(method, server.address).build().unwrap();
        if key {
            request.headers_mut().insert("idempotency-key", HeaderValue::from_static("8e03978e"));
        }
        let response = retrying(3, &Log::default()).oneshot(request).await.unwrap();
        assert_eq!((response.status() == 200, server.hits()), (hits == 2, hits), "{method} {key}");
    }
}

#[tokio::test]
async fn a_post_that_was_turned_away_is_repeated_when_the_server_says() {
    for (name, value, pause) in [("retry-after-ms", "80", millis(80)), ("retry-after", "1", millis(1_000))] {
        let server = Server::start(move |number| match number {
            1 => header(status(503), name, value),
            _ => status(200),
        });
        let log = Log::default();
        let order = request("POST", server.address).build().unwrap();
        assert_eq!(retrying(3, &log).oneshot(order).await.unwrap().status(), StatusCode::OK);
        assert_eq!(server.hits(), 2);
        assert!(log.pauses()[0] >= pause, "{:?}", log.pauses());
    }
}

#[tokio::test]
async fn a_post_is_repeated_after_a_refused_connection() {
    let (log, closed) = (Log::default(), port());
    let order = request("POST", closed.local_addr().unwrap()).build().unwrap();
    let error = retrying(3, &log).oneshot(order).await.unwrap_err();
    assert!(error.service().is_some_and(reqwest::Error::is_connect));
    assert_eq!(log.count(), 3);
}

#[tokio::test]
async fn a_post_to_a_server_that_starts_late_arrives_once() {
    let (log, late) = (Log::default(), port());
    let order = request("POST", late.local_addr().unwrap()).build().unwrap();
    let attempts = log.clone();
    let server = tokio::spawn(async move {
        while attempts.count() < 2 {
            sleep(millis(1)).await;
        }
        Server::start_at(late, |_| status(201))
    });
    let response = retrying(1_000, &log).oneshot(order).await.unwrap();
    assert_eq!(response.status(), StatusCode::CREATED);
    assert_eq!(server.await.unwrap().bodies(), ["an order"]);
}

#[tokio::test]
async fn a_get_is_tried_three_times_and_the_last_answer_returned() {
    let server = Server::start(|_| status(503));
    let log = Log::default();
    let response = retrying(3, &log).oneshot(reqwest_get(server.address)).await.unwrap();
    assert_eq!((response.status().as_u16(), server.hits(), log.count()), (503, 3, 3));
    assert_eq!(response.text().await.unwrap(), "answer 3");
}

#[tokio::test]
async fn a_refused_get_is_not_repeated() {
    let server = Server::start(|_| status(404));
    let response = retrying(3, &Log::default()).oneshot(reqwest_get(server.address)).await.unwrap();
    assert_eq!((response.status().as_u16(), server.hits()), (404, 1));
}

#[tokio::test]
async fn a_body_that_streams_is_sent_once_and_its_first_answer_returned() {
    let stream = |address| request("PUT", address).body(reqwest::Body::wrap(Full::new(Bytes::from("a stream"))));
    assert_eq!(after_a_500(stream).await, (500, vec![Bytes::from("a stream")]));
}

#[tokio::test]
async fn hyper_requests_are_repeated_by_the_same_rules() {
    let client = ServiceBuilder::new().layer(retry(3)).map_err(Error::Service).service(hyper_client());
    for (method, key, hits) in [("GET", None, 3), ("PUT", None, 3), ("POST", None, 1), ("POST", Some("8e03978e"), 3)] {
        let server = Server::start(|_| status(500));
        let mut request = hyper_get(server.address).map(|_| Full::from("an order"));
        *request.method_mut() = method.parse().unwrap();
        if let Some(key) = key {
            request.headers_mut().insert("idempotency-key", HeaderValue::from_static(key));
        }
        let response = client.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(server.bodies(), vec![Bytes::from("an order"); hits], "{method} {key:?}");
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), format!("answer {hits}"));
    }
}
