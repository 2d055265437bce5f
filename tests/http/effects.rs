//! What the real errors and answers of real clients are taken for: the table in the documentation of `windbreak::http`,
//! row by row. What may have been processed is never taken for harmless.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Frame};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use windbreak::http::{Http, HttpResponse};
use windbreak::rules::Classify;
use windbreak::{Effect, Error, Failure, Verdict};

use crate::support::http::{
    Peer, Server, Version, answer, dead_address, direct_builder, direct_client, header, hyper_client, reqwest_client,
};

const NONE: Verdict = Verdict::Failure(Failure::new(Effect::NotApplied));
/// The server did not even begin with it.
const FREE: Verdict = Verdict::Failure(Failure::new(Effect::NotApplied).free());
const UNKNOWN: Verdict = Verdict::Failure(Failure::new(Effect::Unknown));

const UNKNOWN_FOR_GOOD: Verdict = Verdict::Failure(Failure::new(Effect::Unknown).permanent());

const SEVEN: Option<Duration> = Some(Duration::from_secs(7));
const RETRY_AFTER: (&str, &str) = ("retry-after", "7");

// Error codes of RFC 9113, section 7.
const NO_ERROR: u32 = 0;
const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

/// By the table. `Http` itself says the same of hyper; of reqwest, which may have followed redirects, it says the same but
/// for the effect, which is always unknown.
fn judge<T: HttpResponse, E: std::error::Error + 'static>(result: Result<T, E>) -> Verdict {
    let (table, result) = (Http::builder().without_redirects(), result.map_err(Error::Service));
    let verdict = table.classify(result.as_ref());
    let unsure = Http.classify(result.as_ref());
    assert_eq!(without_effect(unsure), without_effect(verdict));
    let expected = effect(verdict).map(|effect| if T::may_be_redirected() { Effect::Unknown } else { effect });
    assert_eq!(effect(unsure), expected);
    assert_eq!(table.error_type(result.as_ref()), Http.error_type(result.as_ref()));
    verdict
}

/// All that is in a verdict besides the effect.
const fn without_effect(verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Failure(mut failure) => {
            failure.effect = Effect::Unknown;
            Verdict::Failure(failure)
        }
        Verdict::Throttled { retry_after, .. } => Verdict::throttled(retry_after),
        verdict => verdict,
    }
}

const fn effect(verdict: Verdict) -> Option<Effect> {
    match verdict {
        Verdict::Failure(failure) => Some(failure.effect),
        Verdict::Throttled { effect, .. } => Some(effect),
        _ => None,
    }
}

fn post(url: &str) -> Request<Full<Bytes>> {
    Request::post(url).body(Full::from("order")).expect("the test has a good URL")
}

/// What a POST to this URL is taken for with each client, each with connections of its own.
async fn verdicts(version: Version, url: &str) -> [(&'static str, Verdict); 2] {
    let hyper = judge(hyper_client(version).request(post(url)).await);
    let reqwest = judge(direct_client(version).post(url).body("order").send().await);
    [("hyper", hyper), ("reqwest", reqwest)]
}

async fn assert_verdicts(version: Version, url: &str, expected: Verdict) {
    for (client, verdict) in verdicts(version, url).await {
        assert_eq!(verdict, expected, "{client}, {version:?}, {url}");
    }
}

async fn assert_script<F, T>(expected: Verdict, script: F)
where
    F: Fn(Peer) -> T + Send + Sync + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let server = Server::raw(script).await;
    assert_verdicts(Version::Http1, &server.url("/orders"), expected).await;
    server.is_left_alone().await;
}

/// HTTP/2: for each request, what the script does after the preface.
async fn assert_http2_script<F, T>(expected: Verdict, script: F)
where
    F: Fn(Peer, u32) -> T + Clone + Send + Sync + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let server = Server::raw(move |mut peer| {
        let script = script.clone();
        async move {
            if peer.http2_preface().await.is_some() {
                if let Some(stream) = peer.http2_request().await {
                    script(peer, stream).await;
                }
            }
        }
    })
    .await;
    assert_verdicts(Version::Http2, &server.url("/orders"), expected).await;
    assert!(server.requests() >= 2, "each client has sent its request");
    server.is_left_alone().await;
}

#[tokio::test]
async fn every_status_is_judged_as_the_table_says() {
    let later = |effect| Verdict::Failure(Failure::new(effect).with_retry_after(Duration::from_secs(7)));
    for (status, headers, expected) in [
        (200, &[][..], Verdict::Success),
        (204, &[], Verdict::Success),
        (304, &[], Verdict::Success),
        (400, &[], Verdict::Declined),
        (404, &[], Verdict::Declined),
        (404, &[RETRY_AFTER], Verdict::Declined),
        (408, &[], UNKNOWN),
        (409, &[], Verdict::in_progress(None)),
        (409, &[RETRY_AFTER], Verdict::in_progress(SEVEN)),
        (421, &[], NONE),
        (422, &[], Verdict::Declined),
        (425, &[], NONE),
        (421, &[RETRY_AFTER], later(Effect::NotApplied)),
        (429, &[], Verdict::throttled(None)),
        (429, &[RETRY_AFTER], Verdict::throttled(SEVEN)),
        (429, &[("retry-after-ms", "7000")], Verdict::throttled(SEVEN)),
        (500, &[], UNKNOWN),
        (500, &[RETRY_AFTER], later(Effect::Unknown)),
        (501, &[], UNKNOWN_FOR_GOOD),
        (502, &[], UNKNOWN),
        (503, &[], UNKNOWN),
        (503, &[("retry-after", "soon")], UNKNOWN),
        (503, &[RETRY_AFTER], later(Effect::Unknown)),
        (504, &[], UNKNOWN),
        (504, &[RETRY_AFTER], later(Effect::Unknown)),
        (505, &[], UNKNOWN_FOR_GOOD),
        (511, &[], UNKNOWN_FOR_GOOD),
    ] {
        let server = Server::http(move |_| async move {
            let mut response = http::Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(*name, *value);
            }
            response.body(Full::<Bytes>::default()).expect("the test has good headers")
        })
        .await;
        for version in [Version::Http1, Version::Http2] {
            let url = server.url(&format!("/{status}/{}", headers.len()));
            assert_verdicts(version, &url, expected).await;
        }
        server.is_left_alone().await;
    }
}

#[tokio::test]
async fn what_reqwest_says_proves_nothing_until_it_is_known_to_follow_no_redirects() {
    #[derive(Debug, thiserror::Error)]
    #[error("no order")]
    struct Mine(#[source] reqwest::Error);

    let server = Server::http(|request| async move {
        let status: u16 = request.uri().path()[1..].parse().expect("the test asks for a status");
        let response = http::Response::builder().status(status).header(RETRY_AFTER.0, RETRY_AFTER.1);
        response.body(Full::<Bytes>::default()).expect("the test has good headers")
    })
    .await;
    let later = |effect| Verdict::Failure(Failure::new(effect).with_retry_after(Duration::from_secs(7)));
    let table = Http::builder().without_redirects();
    for (status, expected) in
        [(421, later(Effect::NotApplied)), (425, later(Effect::NotApplied)), (429, Verdict::throttled(SEVEN))]
    {
        let client = reqwest_client(Version::Http1);
        let response = client.post(server.url(&format!("/{status}"))).send().await.unwrap();
        assert_eq!(effect(Http.response(&response)), Some(Effect::Unknown), "{status}");
        let result = Ok::<_, Error<reqwest::Error>>(response);
        assert_eq!(without_effect(Http.classify(result.as_ref())), without_effect(expected), "{status}");
        assert_eq!(effect(Http.classify(result.as_ref())), Some(Effect::Unknown), "{status}");
        assert_eq!(table.classify(result.as_ref()), expected, "{status}");
        assert_eq!(table.error_type(result.as_ref()), status.to_string());
    }

    let url = format!("http://{}/", dead_address());
    let refused = || async { reqwest_client(Version::Http1).post(&url).send().await.expect_err("nobody listens") };
    assert_eq!(Http.error(&refused().await), UNKNOWN);
    // By whichever type of the two it is known.
    let theirs = Error::Service(refused().await);
    let theirs = Err::<&http::Response<()>, _>(&theirs);
    assert_eq!((Http.classify(theirs), table.classify(theirs)), (UNKNOWN, NONE));
    let mine = Error::Service(Mine(refused().await));
    let mine = Err::<&http::Response<()>, _>(&mine);
    assert_eq!((Http.classify(mine), Http.error_type(mine)), (UNKNOWN, "connection_refused".into()));
    assert_eq!((table.classify(mine), table.error_type(mine)), (NONE, "connection_refused".into()));
    let bare = Error::Service(std::io::Error::from(std::io::ErrorKind::ConnectionRefused));
    let bare = Err::<&reqwest::Response, _>(&bare);
    assert_eq!((Http.classify(bare), Http.error_type(bare)), (UNKNOWN, "connection_refused".into()));
    assert_eq!((table.classify(bare), table.error_type(bare)), (NONE, "connection_refused".into()));
    server.is_left_alone().await;
}

#[tokio::test]
async fn a_refused_connection_has_no_effect() {
    let url = format!("http://{}/", dead_address());
    for version in [Version::Http1, Version::Http2] {
        assert_verdicts(version, &url, NONE).await;
    }
}

#[tokio::test]
async fn a_name_that_does_not_resolve_has_no_effect() {
    // RFC 6761, section 6.4: never resolves.
    for (client, verdict) in verdicts(Version::Http1, "http://nosuchhost.invalid/").await {
        assert_eq!(effect(verdict), Some(Effect::NotApplied), "{client}");
    }
}

/// A listener that never accepts, with its queue full: what else comes waits for ever.
async fn unaccepting() -> (TcpListener, SocketAddr, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("the loopback has free ports");
    let listener = socket.listen(1).expect("a bound socket can listen");
    let address = listener.local_addr().expect("a listener has an address");
    let mut queued = Vec::new();
    while let Ok(Ok(stream)) = timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
        queued.push(stream);
        assert!(queued.len() < 100, "the queue of the listener has an end");
    }
    (listener, address, queued)
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_connect_timeout_has_no_effect() {
    let limit = Duration::from_millis(50);
    let (_listener, address, _queued) = unaccepting().await;
    let url = format!("http://{address}/");

    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(limit));
    let hyper = Client::builder(TokioExecutor::new()).build(connector);
    assert_eq!(judge(hyper.request(post(&url)).await), NONE);

    let reqwest = direct_builder(Version::Http1).connect_timeout(limit).build().unwrap();
    let error = reqwest.post(&url).send().await.unwrap_err();
    assert!(error.is_timeout() && error.is_connect(), "{error:?}");
    assert_eq!(judge::<reqwest::Response, _>(Err(error)), NONE);

    // The total timeout may strike at any time; all that is known of it is that it did.
    let reqwest = direct_builder(Version::Http1).timeout(limit).build().unwrap();
    assert_eq!(judge(reqwest.post(&url).send().await), UNKNOWN);
}

#[tokio::test]
async fn the_clients_own_timeout_has_an_unknown_effect() {
    let server = Server::raw(|mut peer| async move {
        peer.request().await;
        peer.closed().await;
    })
    .await;
    let client = direct_builder(Version::Http1).timeout(Duration::from_millis(50)).build().unwrap();
    let error = client.post(server.url("/")).body("order").send().await.unwrap_err();
    assert!(error.is_timeout());
    assert_eq!(judge::<reqwest::Response, _>(Err(error)), UNKNOWN);
    assert_eq!(server.requests(), 1);
    server.is_left_alone().await;
}

#[tokio::test]
async fn a_connection_closed_with_the_request_unread_has_an_unknown_effect() {
    // How would the client know?
    assert_script(UNKNOWN, |peer| async move { peer.readable().await }).await;
    assert_script(UNKNOWN, |peer| async move {
        peer.readable().await;
        peer.reset();
    })
    .await;
}

#[tokio::test]
async fn a_connection_closed_after_reading_has_an_unknown_effect() {
    assert_script(UNKNOWN, |mut peer| async move {
        peer.request().await;
    })
    .await;
}

#[tokio::test]
async fn a_connection_reset_after_reading_has_an_unknown_effect() {
    assert_script(UNKNOWN, |mut peer| async move {
        peer.request().await;
        peer.reset();
    })
    .await;
}

#[tokio::test]
async fn a_head_that_breaks_off_has_an_unknown_effect() {
    assert_script(UNKNOWN, |mut peer| async move {
        peer.request().await;
        peer.send("HTTP/1.1 200 OK\r\ncontent-le").await;
    })
    .await;
}

#[tokio::test]
async fn a_response_that_is_not_http_has_an_unknown_effect() {
    assert_script(UNKNOWN, |mut peer| async move {
        peer.request().await;
        peer.send("SSH-2.0-nothing here\r\n\r\n").await;
        peer.closed().await;
    })
    .await;
}

#[tokio::test]
async fn a_response_before_the_end_of_the_request_counts() {
    assert_script(Verdict::throttled(None), |mut peer| async move {
        // Sent to a connection without a request, it would be nobody's.
        peer.readable().await;
        peer.send(answer(429, &[("connection", "close")], "")).await;
        peer.closed().await;
    })
    .await;
}

/// Answers one request on each connection, and then waits for the client to close.
async fn once(mut peer: Peer) {
    peer.request().await;
    peer.send(answer(200, &[], "ok")).await;
    peer.request().await;
}

#[tokio::test]
async fn a_pooled_connection_that_breaks_on_the_second_request_has_an_unknown_effect() {
    let server = Server::raw(once).await;
    let url = server.url("/");

    let client = hyper_client(Version::Http1);
    let first = client.request(post(&url)).await.unwrap();
    first.into_body().collect().await.unwrap();
    assert_eq!(judge(client.request(post(&url)).await), UNKNOWN);
    assert_eq!((server.connections(), server.requests()), (1, 2));
    drop(client);

    let client = direct_client(Version::Http1);
    client.post(&url).body("order").send().await.unwrap().bytes().await.unwrap();
    assert_eq!(judge(client.post(&url).body("order").send().await), UNKNOWN);
    assert_eq!((server.connections(), server.requests()), (2, 4));
    drop(client);
    server.is_left_alone().await;
}

#[tokio::test]
async fn what_is_said_to_have_no_effect_was_not_sent() {
    /// Closes half of it before the first request or after it, and reads what comes nevertheless.
    async fn script(mut peer: Peer, sent: Sent) {
        if peer.number % 2 == 0 {
            peer.half_close().await;
        }
        while let Some(head) = peer.request().await {
            sent.lock().expect("no thread panics").insert(header(&head, "x-id").expect("each has one").to_owned());
            peer.send(answer(200, &[], "")).await;
            peer.half_close().await;
        }
    }

    type Sent = Arc<Mutex<HashSet<String>>>;
    let sent = Sent::default();
    let noted = Arc::clone(&sent);
    let server = Server::raw(move |peer| script(peer, Arc::clone(&noted))).await;
    let (mut harmless, mut broken) = (0, 0);
    for trial in 0..200 {
        // Otherwise it sends the request again by itself, on a new connection.
        let client = Client::builder(TokioExecutor::new()).retry_canceled_requests(false).build_http();
        for number in 0..3 {
            let id = format!("{trial}-{number}");
            let mut request = post(&server.url("/"));
            request.headers_mut().insert("x-id", id.parse().unwrap());
            match client.request(request).await {
                Ok(response) => drop(response.into_body().collect().await),
                Err(error) => match judge::<http::Response<()>, _>(Err(error)) {
                    FREE => {
                        harmless += 1;
                        // Closed by the client, and read to its end by the server.
                        server.is_left_alone().await;
                        assert!(!sent.lock().unwrap().contains(&id), "{id} was sent");
                    }
                    verdict => {
                        broken += 1;
                        assert_eq!(verdict, UNKNOWN);
                    }
                },
            }
        }
    }
    assert!(harmless > 0, "{harmless} not sent, {broken} broken off");
    server.is_left_alone().await;
}

#[tokio::test]
async fn a_refused_stream_has_no_effect() {
    assert_http2_script(FREE, |mut peer, stream| async move {
        let mut next = Some(stream);
        while let Some(stream) = next {
            peer.rst_stream(stream, REFUSED_STREAM).await;
            next = peer.http2_request().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_stream_reset_for_any_other_reason_has_an_unknown_effect() {
    for reason in [NO_ERROR, INTERNAL_ERROR, ENHANCE_YOUR_CALM] {
        assert_http2_script(UNKNOWN, move |mut peer, stream| async move {
            peer.rst_stream(stream, reason).await;
            peer.closed().await;
        })
        .await;
    }
}

#[tokio::test]
async fn a_graceful_goaway_below_the_request_has_no_effect() {
    assert_http2_script(FREE, |mut peer, stream| async move {
        peer.go_away(stream - 1, NO_ERROR).await;
        peer.closed().await;
    })
    .await;
}

#[tokio::test]
async fn a_graceful_goaway_above_the_request_says_nothing_of_it() {
    assert_http2_script(UNKNOWN, |mut peer, stream| async move {
        peer.go_away(stream, NO_ERROR).await;
    })
    .await;
    assert_http2_script(UNKNOWN, |mut peer, stream| async move {
        peer.go_away(stream, NO_ERROR).await;
        peer.reset();
    })
    .await;
}

#[tokio::test]
async fn a_goaway_with_an_error_has_an_unknown_effect() {
    for last_stream in [0, 1] {
        assert_http2_script(UNKNOWN, move |mut peer, _| async move {
            peer.go_away(last_stream, ENHANCE_YOUR_CALM).await;
        })
        .await;
    }
}

#[tokio::test]
async fn of_two_requests_on_a_connection_only_the_one_above_the_goaway_has_no_effect() {
    let server = Server::raw(|mut peer| async move {
        if peer.http2_preface().await.is_none() {
            return;
        }
        let (first, second) = (peer.http2_request().await, peer.http2_request().await);
        assert_eq!((first, second), (Some(1), Some(3)));
        peer.go_away(1, NO_ERROR).await;
    })
    .await;
    let client = hyper_client(Version::Http2);
    let first = client.request(post(&server.url("/1")));
    let second = async {
        crate::support::http::eventually("the first request is sent", || server.requests() == 1).await;
        client.request(post(&server.url("/2"))).await
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!((judge(first), judge(second)), (UNKNOWN, FREE));
    drop(client);
    server.is_left_alone().await;
}

#[tokio::test]
async fn an_http2_connection_that_breaks_has_an_unknown_effect() {
    assert_http2_script(UNKNOWN, |peer, _| async move { drop(peer) }).await;
    assert_http2_script(UNKNOWN, |peer, _| async move { peer.reset() }).await;
}

/// A request body that sends a part, and fails with an error of somebody else's once the server has the head.
struct Failing<E> {
    part: Option<&'static str>,
    error: Option<E>,
    head_is_read: Pin<Box<dyn Future<Output = ()> + Send + Sync>>,
}

impl<E> Failing<E> {
    fn with(error: E, heads: &Arc<Semaphore>) -> Self {
        let heads = Arc::clone(heads);
        let head_is_read = Box::pin(async move { heads.acquire().await.expect("it is never closed").forget() });
        Self { part: Some("half"), error: Some(error), head_is_read }
    }
}

impl<E: Unpin> Body for Failing<E> {
    type Data = Bytes;
    type Error = E;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, E>>> {
        if let Some(part) = self.part.take() {
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(part.as_bytes())))));
        }
        ready!(self.head_is_read.as_mut().poll(cx));
        Poll::Ready(self.error.take().map(Err))
    }
}

#[tokio::test]
async fn what_failed_behind_the_request_body_says_nothing_of_the_server() {
    let heads = Arc::new(Semaphore::new(0));
    let read = Arc::clone(&heads);
    let server = Server::raw(move |mut peer| {
        let read = Arc::clone(&read);
        async move {
            peer.request().await;
            read.add_permits(1);
            peer.closed().await;
        }
    })
    .await;
    // As when the body comes from another server, which is down.
    let refused = || std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
    let unreached = hyper_client(Version::Http1)
        .request(post(&format!("http://{}/", dead_address())))
        .await
        .expect_err("nobody listens there");

    let url = server.url("/upload");
    let client = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::post(&url).body(Failing::with(refused(), &heads)).unwrap();
    assert_eq!(judge(client.request(request).await), Verdict::Ignored);

    let client = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::post(&url).body(Failing::with(unreached, &heads)).unwrap();
    assert_eq!(judge(client.request(request).await), Verdict::Ignored);

    let body = reqwest::Body::wrap(Failing::with(refused(), &heads));
    assert_eq!(judge(direct_client(Version::Http1).post(&url).body(body).send().await), Verdict::Ignored);
    assert_eq!(server.requests(), 3, "each time the server had the head");
    server.is_left_alone().await;
}

#[tokio::test]
async fn a_stream_that_the_client_itself_resets_as_refused_was_not_refused_by_the_server() {
    let heads = Arc::new(Semaphore::new(0));
    let read = Arc::clone(&heads);
    let server = Server::raw(move |mut peer| {
        let read = Arc::clone(&read);
        async move {
            if peer.http2_preface().await.is_some() && peer.http2_head().await.is_some() {
                read.add_permits(1);
                peer.closed().await;
            }
        }
    })
    .await;
    // hyper resets the stream with the reason that it finds in the error of the body.
    let refused = || h2::Error::from(h2::Reason::REFUSED_STREAM);
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let request = Request::post(server.url("/")).body(Failing::with(refused(), &heads)).unwrap();
    assert_eq!(judge(client.request(request).await), Verdict::Ignored);

    let body = reqwest::Body::wrap(Failing::with(refused(), &heads));
    assert_eq!(judge(direct_client(Version::Http2).post(server.url("/")).body(body).send().await), Verdict::Ignored);
    assert_eq!(server.requests(), 2, "each time the server had the head");
    drop(client);
    server.is_left_alone().await;
}
