//! Why a client gave an error instead of a response: whose fault it is, what it is called, and whom it is believed of.

use std::error::Error as StdError;
use std::future::{self, Future};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tower::{ServiceBuilder, ServiceExt as _, service_fn};
use windbreak::http::{Http, HttpResponse};
use windbreak::rules::Classify;
use windbreak::{Circuit, CircuitBreakerLayer, Effect, Error, Failure, RetryLayer, RetryPolicy, Verdict};

use crate::support::http::{
    Peer, Server, Version, answer, dead_address, direct_builder, direct_client, hyper_client, reqwest_client,
};

const NONE: Verdict = Verdict::Failure(Failure::new(Effect::NotApplied));
const FREE: Verdict = Verdict::Failure(Failure::new(Effect::NotApplied).free());
const UNKNOWN: Verdict = Verdict::Failure(Failure::new(Effect::Unknown));

const NONE_FOR_GOOD: Verdict = Verdict::Failure(Failure::new(Effect::NotApplied).permanent());

/// What is said of `error`: by rules that know nothing of the client, and by those to which it was said that it follows no
/// redirects.
fn judge<E: StdError + 'static>(error: E) -> [Verdict; 2] {
    let error = Error::Service(error);
    let result = Err::<&http::Response<()>, _>(&error);
    [Http.classify(result), Http::builder().without_redirects().classify(result)]
}

/// The verdict of an error whose client is known to follow no redirects, and its name.
fn named<T: HttpResponse, E: StdError + 'static>(result: Result<T, E>) -> (Verdict, String) {
    let rules = Http::builder().without_redirects();
    let result = result.map_err(Error::Service);
    assert!(result.is_err(), "the test expects an error");
    (rules.classify(result.as_ref()), rules.error_type(result.as_ref()).into_owned())
}

fn is(verdict: Verdict, name: &str) -> (Verdict, String) {
    (verdict, name.to_owned())
}

fn post(url: &str) -> Request<Full<Bytes>> {
    Request::post(url).body(Full::from("order")).expect("the test has a good URL")
}

fn three_attempts<R>(rules: R) -> RetryLayer<R> {
    let policy = RetryPolicy::builder().max_attempts(3).backoff(Duration::from_millis(1));
    RetryLayer::new(policy.build().expect("the numbers are good"), rules)
}

/// An error of somebody's own around another one: of his order service, or another version of reqwest.
#[derive(Debug, thiserror::Error)]
#[error("no order")]
struct Mine<E: StdError + 'static>(#[source] E);

fn refused() -> io::Error {
    io::ErrorKind::ConnectionRefused.into()
}

async fn refused_by_hyper() -> legacy::Error {
    let url = format!("http://{}/", dead_address());
    hyper_client(Version::Http1).request(post(&url)).await.expect_err("nobody listens there")
}

async fn refused_by_reqwest() -> reqwest::Error {
    let url = format!("http://{}/", dead_address());
    reqwest_client(Version::Http1).post(&url).send().await.expect_err("nobody listens there")
}

// Whom a refused connection is believed of.

#[test]
fn a_refused_connection_to_the_cache_says_nothing_of_the_order() {
    assert_eq!(judge(refused()), [NONE, NONE]);
    assert_eq!(judge(Mine(refused())), [UNKNOWN, UNKNOWN]);
    assert_eq!(judge(Mine(Mine(refused()))), [UNKNOWN, UNKNOWN]);
    assert_eq!(judge(Mine(Arc::new(refused()))), [UNKNOWN, UNKNOWN]);
    assert_eq!(judge(io::Error::other(Mine(refused()))), [UNKNOWN, UNKNOWN]);
    assert_eq!(judge(io::Error::other(refused())), [UNKNOWN, UNKNOWN]);
}

#[tokio::test]
async fn an_order_that_failed_on_the_cache_is_charged_once() {
    let charged = AtomicUsize::new(0);
    let shop = service_fn(|_: Request<String>| {
        charged.fetch_add(1, Ordering::SeqCst);
        future::ready(Err::<http::Response<String>, _>(Mine(refused())))
    });
    let stack = ServiceBuilder::new().layer(three_attempts(Http)).map_err(Error::Service).service(shop);
    let order = Request::post("/orders").body(String::from("shoes")).unwrap();
    stack.oneshot(order).await.expect_err("the cache is down");
    assert_eq!(charged.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_connect_error_of_hyper_is_believed_as_it_is_and_of_another_error_only_on_request() {
    assert_eq!(judge(refused_by_hyper().await), [NONE, NONE]);
    assert_eq!(judge(Arc::new(refused_by_hyper().await)), [NONE, NONE]);
    assert_eq!(judge(Box::new(refused_by_hyper().await)), [NONE, NONE]);
    assert_eq!(judge(io::Error::other(refused_by_hyper().await)), [NONE, NONE]);
    // As that of another version of reqwest, which follows redirects, has it inside.
    assert_eq!(judge(Mine(refused_by_hyper().await)), [UNKNOWN, NONE]);
    assert_eq!(judge(Mine(Arc::new(refused_by_hyper().await))), [UNKNOWN, NONE]);
}

#[tokio::test]
async fn that_reqwest_follows_redirects_is_seen_through_whatever_its_error_is_in() {
    assert_eq!(judge(refused_by_reqwest().await), [UNKNOWN, NONE]);
    assert_eq!(judge(Arc::new(refused_by_reqwest().await)), [UNKNOWN, NONE]);
    assert_eq!(judge(Box::new(refused_by_reqwest().await)), [UNKNOWN, NONE]);
    assert_eq!(judge(Mine(Arc::new(refused_by_reqwest().await))), [UNKNOWN, NONE]);
    assert_eq!(judge(Mine(Box::new(refused_by_reqwest().await))), [UNKNOWN, NONE]);
    assert_eq!(judge(io::Error::other(refused_by_reqwest().await)), [UNKNOWN, NONE]);
    assert_eq!(judge(io::Error::new(io::ErrorKind::ConnectionRefused, refused_by_reqwest().await)), [UNKNOWN, NONE]);
    let shared: Arc<dyn StdError + Send + Sync> = Arc::new(refused_by_reqwest().await);
    assert_eq!(judge(Mine(shared)), [UNKNOWN, NONE]);
}

#[tokio::test]
async fn a_response_of_reqwest_is_known_by_its_body_where_it_was_made_one_of_http() {
    let server = Server::raw(|mut peer| async move {
        while peer.request().await.is_some() {
            peer.send(answer(421, &[], "")).await;
        }
    })
    .await;
    let client = reqwest_client(Version::Http1);
    let response = client.post(server.url("/")).body("order").send().await.unwrap();
    let response = http::Response::<reqwest::Body>::from(response);
    assert_eq!(Http.response(&response), UNKNOWN);
    let response = response.map(|body| http_body_util::Limited::new(body, 10));
    assert_eq!(Http.response(&response), UNKNOWN);
    assert_eq!(Http.classify(Ok::<_, &Error<io::Error>>(&response)), UNKNOWN);
    assert_eq!(Http::builder().without_redirects().classify(Ok::<_, &Error<io::Error>>(&response)), NONE);
    // And its errors, where only the type of the response is theirs.
    let error = Error::Service(refused());
    assert_eq!(Http.classify(Err::<&http::Response<reqwest::Body>, _>(&error)), UNKNOWN);

    // That of hyper is believed, and so is one whose body was put into another type, which cannot be told.
    let response = hyper_client(Version::Http1).request(post(&server.url("/"))).await.unwrap();
    assert_eq!(Http.response(&response), NONE);
    drop((client, response));
    server.is_left_alone().await;
}

// What the caller did.

const CALLER: fn() -> (Verdict, String) = || is(Verdict::Ignored, "caller");

#[tokio::test]
async fn a_url_that_cannot_be_called_is_the_callers_mistake() {
    let hyper = hyper_client(Version::Http1);
    assert_eq!(named(hyper.request(post("/relative")).await), CALLER());
    assert_eq!(named(hyper.request(post("ftp://example.org/")).await), CALLER());

    let reqwest = direct_client(Version::Http1);
    assert_eq!(named(reqwest.post("ftp://example.org/").send().await), CALLER());
    assert_eq!(named(reqwest.post("/relative").send().await), CALLER());
    let secure = direct_builder(Version::Http1).https_only(true).build().unwrap();
    assert_eq!(named(secure.post("http://example.org/").send().await), CALLER());
}

#[tokio::test]
async fn too_many_redirects_are_not_repeated() {
    let server = Server::raw(|mut peer| async move {
        while peer.request().await.is_some() {
            peer.send(answer(302, &[("location", "/again")], "")).await;
        }
    })
    .await;
    let client = reqwest_client(Version::Http1);
    assert_eq!(named(client.get(server.url("/")).send().await), CALLER());
    assert_eq!(server.requests(), 11);

    let circuit = Circuit::builder("loop").build().unwrap();
    let stack = ServiceBuilder::new()
        .layer(three_attempts(Http))
        .layer(CircuitBreakerLayer::new(circuit.clone(), Http))
        .map_err(Error::Service)
        .service(client.clone());
    let error = stack.oneshot(client.get(server.url("/")).build().unwrap()).await.expect_err("it is a loop");
    assert!(error.service().is_some_and(reqwest::Error::is_redirect), "{error:?}");
    assert_eq!((server.requests(), circuit.snapshot().tally.calls), (11 + 11, 0));
    drop(client);
    server.is_left_alone().await;
}

/// A request body that sends a part, and then fails or says that it has ended, once the server has the head.
struct Broken {
    /// What is announced; `None` is a body without a length.
    length: Option<u64>,
    part: Option<Bytes>,
    error: Option<io::Error>,
    head_is_read: Pin<Box<dyn Future<Output = ()> + Send + Sync>>,
}

impl Broken {
    fn with(length: Option<u64>, error: Option<io::Error>, heads: &Arc<Semaphore>) -> Self {
        let heads = Arc::clone(heads);
        let head_is_read = Box::pin(async move { heads.acquire().await.expect("it is never closed").forget() });
        Self { length, part: Some(Bytes::from_static(b"half of")), error, head_is_read }
    }
}

impl Body for Broken {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(part) = self.part.take() {
            return Poll::Ready(Some(Ok(Frame::data(part))));
        }
        ready!(self.head_is_read.as_mut().poll(cx));
        Poll::Ready(self.error.take().map(Err))
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

async fn silent(heads: &Arc<Semaphore>) -> Server {
    let read = Arc::clone(heads);
    Server::raw(move |mut peer| {
        let read = Arc::clone(&read);
        async move {
            if peer.is_http2().await {
                let _ = (peer.http2_preface().await, peer.http2_head().await);
            } else {
                peer.readable().await;
            }
            read.add_permits(1);
            peer.closed().await;
        }
    })
    .await
}

#[tokio::test]
async fn a_request_body_that_fails_is_the_callers_mistake() {
    let heads = Arc::new(Semaphore::new(0));
    let server = silent(&heads).await;
    for version in [Version::Http1, Version::Http2] {
        let body = || Broken::with(None, Some(refused()), &heads);
        let hyper = Client::builder(TokioExecutor::new()).http2_only(version == Version::Http2).build_http();
        let request = Request::post(server.url("/")).body(body()).unwrap();
        assert_eq!(named(hyper.request(request).await), CALLER(), "hyper, {version:?}");

        let body = reqwest::Body::wrap(body());
        assert_eq!(
            named(direct_client(version).post(server.url("/")).body(body).send().await),
            CALLER(),
            "{version:?}"
        );
    }
    server.is_left_alone().await;
}

#[tokio::test]
async fn an_upload_that_is_aborted_is_the_callers_mistake() {
    let heads = Arc::new(Semaphore::new(0));
    let server = silent(&heads).await;
    // It says that it has ended, before what it has announced.
    let body = || Broken::with(Some(100), None, &heads);
    let hyper = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::post(server.url("/")).body(body()).unwrap();
    assert_eq!(named(hyper.request(request).await), CALLER());

    let body = reqwest::Body::wrap(body());
    assert_eq!(named(direct_client(Version::Http1).post(server.url("/")).body(body).send().await), CALLER());
    drop(hyper);
    server.is_left_alone().await;
}

// Names.

#[tokio::test]
async fn each_way_to_get_no_connection_has_its_name() {
    let url = format!("http://{}/", dead_address());
    for version in [Version::Http1, Version::Http2] {
        assert_eq!(named(hyper_client(version).request(post(&url)).await), is(NONE, "connection_refused"));
        assert_eq!(named(direct_client(version).post(&url).send().await), is(NONE, "connection_refused"));
    }
}

/// What a client says whose connector fails with `error`.
async fn by_connector(error: impl Fn() -> io::Error + Clone + Send + Sync + 'static) -> (Verdict, String) {
    let connector = service_fn(move |_: Uri| future::ready(Err::<TokioIo<TcpStream>, _>(error())));
    let client = Client::builder(TokioExecutor::new()).build::<_, Full<Bytes>>(connector);
    named(client.request(post("https://example.org/")).await)
}

/// What a client says whose resolver fails with `error`.
async fn by_resolver(error: impl Fn() -> io::Error + Clone + Send + Sync + 'static) -> (Verdict, String) {
    let resolver = service_fn(move |_: Name| future::ready(Err::<std::vec::IntoIter<SocketAddr>, _>(error())));
    let connector = HttpConnector::new_with_resolver(resolver);
    let client = Client::builder(TokioExecutor::new()).build::<_, Full<Bytes>>(connector);
    named(client.request(post("http://example.org/")).await)
}

#[tokio::test]
async fn a_name_that_is_not_resolved_is_dns() {
    // RFC 6761, section 6.4: never resolves.
    let url = "http://nosuchhost.invalid/";
    assert_eq!(named(hyper_client(Version::Http1).request(post(url)).await).1, "dns");
    assert_eq!(named(direct_client(Version::Http1).post(url).send().await).1, "dns");
    // A resolver that refuses connections is not a server that does.
    assert_eq!(by_resolver(refused).await, is(NONE, "dns"));
}

#[tokio::test]
async fn a_name_is_known_not_to_exist_only_where_the_resolver_says_so_and_nothing_else() {
    let of_getaddrinfo = "failed to lookup address information: ";
    for (says, expected) in [
        // glibc, musl
        ("Name or service not known", NONE_FOR_GOOD),
        ("Name does not resolve", NONE_FOR_GOOD),
        // The server that knows cannot be reached, or there is no network.
        ("Temporary failure in name resolution", NONE),
        ("Try again", NONE),
        // The name exists, and has no address; macOS says the latter also without a network.
        ("No address associated with hostname", NONE),
        ("nodename nor servname provided, or not known", NONE),
    ] {
        let verdict = by_resolver(move || io::Error::other(format!("{of_getaddrinfo}{says}"))).await;
        assert_eq!(verdict, is(expected, "dns"), "{says}");
    }
}

/// Needs no network: no server of names is asked for a label of more than 63 characters.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[tokio::test]
async fn a_name_that_cannot_exist_is_known_not_to() {
    let url = format!("http://{}.invalid/", "x".repeat(64));
    assert_eq!(named(hyper_client(Version::Http1).request(post(&url)).await), is(NONE_FOR_GOOD, "dns"));
    assert_eq!(named(direct_client(Version::Http1).post(&url).send().await), is(NONE_FOR_GOOD, "dns"));
}

#[tokio::test]
async fn a_certificate_that_is_no_good_stays_so() {
    // As rustls, OpenSSL and the alert of a server that wants another one say it.
    for says in [
        "invalid peer certificate: UnknownIssuer",
        "error:0A000086:SSL routines:tls_post_process_server_certificate:certificate verify failed",
        "received fatal alert: CertificateRequired",
    ] {
        let verdict = by_connector(move || io::Error::other(io::Error::new(io::ErrorKind::InvalidData, says))).await;
        assert_eq!(verdict, is(NONE_FOR_GOOD, "tls"), "{says}");
    }
}

#[tokio::test]
async fn other_failures_before_the_request_have_a_name_too() {
    let corrupt = || io::Error::new(io::ErrorKind::InvalidData, "received corrupt message of type InvalidContentType");
    assert_eq!(by_connector(corrupt).await, is(NONE, "tls"));
    assert_eq!(by_connector(|| io::Error::other("tls handshake eof")).await, is(NONE, "tls"));
    assert_eq!(by_connector(|| io::Error::other("no route")).await, is(NONE, "connect"));
    assert_eq!(by_connector(|| io::ErrorKind::TimedOut.into()).await, is(NONE, "connect_timeout"));
    assert_eq!(by_connector(refused).await, is(NONE, "connection_refused"));
}

async fn assert_named<F, T>(version: Version, expected: &(Verdict, String), script: F)
where
    F: Fn(Peer) -> T + Send + Sync + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let server = Server::raw(script).await;
    let url = server.url("/orders");
    assert_eq!(&named(hyper_client(version).request(post(&url)).await), expected, "hyper");
    assert_eq!(&named(direct_client(version).post(&url).body("order").send().await), expected, "reqwest");
    server.is_left_alone().await;
}

#[tokio::test]
async fn each_way_to_lose_a_response_has_its_name() {
    use Version::{Http1, Http2};

    let read_and = |then: fn(Peer)| {
        move |mut peer: Peer| async move {
            peer.request().await;
            then(peer);
        }
    };
    assert_named(Http1, &is(UNKNOWN, "reset"), read_and(Peer::reset)).await;
    assert_named(Http1, &is(UNKNOWN, "closed"), read_and(drop)).await;
    assert_named(Http1, &is(UNKNOWN, "protocol"), |mut peer| async move {
        peer.request().await;
        peer.send("SSH-2.0-nothing here\r\n\r\n").await;
        peer.closed().await;
    })
    .await;

    let http2 = |then: fn(&mut Peer, u32) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>| {
        move |mut peer: Peer| async move {
            if peer.http2_preface().await.is_some() {
                while let Some(stream) = peer.http2_request().await {
                    then(&mut peer, stream).await;
                }
            }
        }
    };
    // RFC 9113, section 7: INTERNAL_ERROR, REFUSED_STREAM, ENHANCE_YOUR_CALM.
    let reset = http2(|peer, stream| Box::pin(peer.rst_stream(stream, 2)));
    assert_named(Http2, &is(UNKNOWN, "reset"), reset).await;
    let refuse = http2(|peer, stream| Box::pin(peer.rst_stream(stream, 7)));
    assert_named(Http2, &is(FREE, "not_processed"), refuse).await;
    let go_away = http2(|peer, _| Box::pin(peer.go_away(0, 11)));
    assert_named(Http2, &is(UNKNOWN, "closed"), go_away).await;
}

#[tokio::test]
async fn the_timeout_of_the_client_itself_has_its_name() {
    let server = Server::raw(|mut peer| async move { peer.closed().await }).await;
    let client = direct_builder(Version::Http1).timeout(Duration::from_millis(50)).build().unwrap();
    assert_eq!(named(client.post(server.url("/")).send().await), is(UNKNOWN, "timeout"));
    drop(client);
    server.is_left_alone().await;
}

#[test]
fn what_is_not_known_has_the_name_of_opentelemetry() {
    let response = |error| Err::<http::Response<()>, _>(error);
    assert_eq!(named(response(io::Error::other("what?"))), is(UNKNOWN, "_OTHER"));
    assert_eq!(named(response(io::ErrorKind::ConnectionReset.into())), is(UNKNOWN, "reset"));
    assert_eq!(named(Err::<http::Response<()>, _>(Mine(refused()))), is(UNKNOWN, "connection_refused"));
}
