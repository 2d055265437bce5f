//! The stack for HTTP, around real clients and in front of real servers.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};
use tower::{Layer as _, Service, service_fn};
use windbreak::circuit_breaker::State;
use windbreak::http::{Http, HttpRules};
use windbreak::stack::{HttpStack, HttpStackService, StackBuilder, WithBody};
use windbreak::{Error, Rejection, Stack};

use crate::support::http::{Server, Version, direct_client, hyper_client, reqwest_client};

fn stack() -> StackBuilder<HttpRules, WithBody> {
    Stack::http("search")
        .total_timeout(Duration::from_secs(5))
        .attempt_timeout(Duration::from_secs(2))
        .retry(|retry| retry.backoff(Duration::from_millis(5)))
        .circuit(|circuit| circuit.failure_ratio(0.5).minimum_calls(10).minimum_span(Duration::ZERO))
}

fn hyper_get(url: &str) -> Request<Full<Bytes>> {
    Request::get(url).body(Full::default()).expect("the test has a good URL")
}

fn reqwest_get(url: &str) -> reqwest::Request {
    reqwest::Request::new(Method::GET, url.parse().expect("the test has a good URL"))
}

async fn well() -> Server {
    Server::http(|_| async { Response::new(Full::<Bytes>::from("ok")) }).await
}

#[tokio::test]
async fn it_works_with_both_clients_and_versions() {
    let server = well().await;
    for version in [Version::Http1, Version::Http2] {
        let client = stack().build().unwrap().layer(hyper_client(version));
        let response = client.run(hyper_get(&server.url("/"))).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ok");

        let client: HttpStackService<reqwest::Client> = stack().build().unwrap().layer(reqwest_client(version));
        let response = client.run(reqwest_get(&server.url("/"))).await.unwrap();
        assert_eq!(response.text().await.unwrap(), "ok");
    }
    assert_eq!(server.requests(), 4);
    server.is_left_alone().await;
}

#[tokio::test]
async fn it_protects_while_the_server_is_away_and_recovers_when_it_is_back() {
    async fn check<C, R, T, E>(client: C, get: fn(&str) -> R, stack: &HttpStack)
    where
        C: Service<R, Response = T, Error = Error<E>> + Clone,
        E: std::fmt::Debug,
    {
        use tower::ServiceExt as _;

        let circuit = stack.circuit().unwrap();
        let server = well().await;
        let (address, url) = (server.address(), server.url("/"));
        for _ in 0..10 {
            client.clone().oneshot(get(&url)).await.unwrap();
        }
        assert_eq!((server.requests(), circuit.state()), (10, State::Closed));

        server.stop().await;
        let mut broken = 0;
        while circuit.state() == State::Closed {
            client.clone().oneshot(get(&url)).await.err().expect("nobody listens");
            broken += 1;
            assert!(broken <= 200, "the circuit does not open");
        }
        // The failures that opened it span at least a moment, so this one may have been the last to be sent.
        let start = Instant::now();
        let error = client.clone().oneshot(get(&url)).await.err().expect("the circuit is open");
        assert!(error.is_circuit_open() && error.retry_after().is_some(), "{error:?}");
        assert!(start.elapsed() < Duration::from_millis(500), "at once: no attempt, and no pause");

        let listener = TcpListener::bind(address).await.unwrap();
        let back = Server::http_on(listener, |_| async { Response::new(Full::<Bytes>::from("ok")) });
        let start = Instant::now();
        while client.clone().oneshot(get(&url)).await.is_err() {
            assert!(start.elapsed() < Duration::from_secs(5), "the circuit does not close");
            sleep(Duration::from_millis(20)).await;
        }
        assert_eq!((circuit.state(), back.requests()), (State::Closed, 1));
        assert_eq!(stack.semaphore().unwrap().in_flight(), 0);
        drop(client);
        back.is_left_alone().await;
    }

    let one = stack().build().unwrap();
    check(one.layer(hyper_client(Version::Http1)), hyper_get, &one).await;
    let other = stack().build().unwrap();
    check(other.layer(reqwest_client(Version::Http1)), reqwest_get, &other).await;
}

#[tokio::test]
async fn an_order_that_was_turned_away_is_repeated_only_if_there_can_be_no_redirect() {
    let server = Server::http(|_| async {
        let mut response = Response::new(Full::<Bytes>::default());
        *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        response
    })
    .await;
    let order = || reqwest_client(Version::Http1).post(server.url("/")).build().unwrap();

    let client = stack().build().unwrap().layer(reqwest_client(Version::Http1));
    assert_eq!(client.run(order()).await.unwrap().status(), 429);
    assert_eq!(server.requests(), 1);
    drop(client);

    let client =
        stack().rules(Http::builder().without_redirects()).build().unwrap().layer(direct_client(Version::Http1));
    assert_eq!(client.run(order()).await.unwrap().status(), 429);
    assert_eq!(server.requests(), 1 + 3);
    drop(client);
    server.is_left_alone().await;
}

/// As Varnish does for an order that its backend took before the connection to it broke.
#[tokio::test]
async fn an_order_is_placed_once_though_a_proxy_answers_503_and_when_to_come_back() {
    for retry_after in ["0", "1"] {
        let server = Server::http(move |_| async move {
            let response =
                Response::builder().status(StatusCode::SERVICE_UNAVAILABLE).header("retry-after", retry_after);
            response.body(Full::<Bytes>::from("backend fetch failed")).expect("the test has good headers")
        })
        .await;
        for version in [Version::Http1, Version::Http2] {
            let before = server.requests();
            let order = Request::post(server.url("/orders")).body(Full::<Bytes>::from("1 tea")).unwrap();
            let client = Stack::http("orders").build().unwrap().layer(hyper_client(version));
            assert_eq!(client.run(order).await.unwrap().status(), 503);

            let order = direct_client(version).post(server.url("/orders")).body("1 tea").build().unwrap();
            let direct = Stack::http("orders").rules(Http::builder().without_redirects()).build().unwrap();
            assert_eq!(direct.layer(direct_client(version)).run(order).await.unwrap().status(), 503);
            assert_eq!(server.requests() - before, 2, "one of each client");
        }
        server.is_left_alone().await;
    }
}

#[tokio::test]
async fn a_silent_server_costs_no_more_than_the_total_timeout() {
    let server = Server::raw(|mut peer| async move {
        peer.request().await;
        peer.closed().await;
    })
    .await;
    let stack = Stack::http("silent")
        .total_timeout(Duration::from_millis(400))
        .attempt_timeout(Duration::from_millis(150))
        .bulkhead(4)
        .retry(|retry| retry.backoff(Duration::from_millis(5)))
        .build()
        .unwrap();
    let client = stack.layer(hyper_client(Version::Http1));
    let start = Instant::now();
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..8 {
        running.spawn(client.run(hyper_get(&server.url("/"))));
    }
    let errors = running.join_all().await.into_iter().map(Result::unwrap_err).collect::<Vec<_>>();
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert!(errors.iter().all(|error| error.is_timeout() || error.is_bulkhead_full()), "{errors:?}");
    assert_eq!(stack.semaphore().unwrap().in_flight(), 0);
    drop(client);
    server.is_left_alone().await;
}

/// A head at once, a frame, and then nothing.
async fn stalls() -> Server {
    Server::http(|_| async {
        let frame = Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"half")));
        let frames = once_then_pending(frame);
        Response::new(StreamBody::new(frames))
    })
    .await
}

/// One item, and then pending for ever.
fn once_then_pending<T>(item: T) -> impl futures_core::Stream<Item = T> + Send
where
    T: Send + Unpin,
{
    struct Once<T>(Option<T>);

    impl<T: Unpin> futures_core::Stream for Once<T> {
        type Item = T;

        fn poll_next(mut self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<Option<T>> {
            self.0.take().map_or(std::task::Poll::Pending, |item| std::task::Poll::Ready(Some(item)))
        }
    }

    Once(Some(item))
}

#[tokio::test]
async fn the_total_timeout_bounds_the_body_and_the_rejection_is_in_the_clients_own_error() {
    let server = stalls().await;
    let stack =
        stack().total_timeout(Duration::from_millis(300)).attempt_timeout(Duration::from_millis(200)).build().unwrap();
    let start = Instant::now();
    let response = stack.layer(reqwest_client(Version::Http1)).run(reqwest_get(&server.url("/"))).await.unwrap();
    let error = response.text().await.unwrap_err();
    assert!(start.elapsed() >= Duration::from_millis(300) && start.elapsed() < Duration::from_secs(3));
    assert_eq!(Rejection::find_in(&error), Some(&Rejection::timeout(Duration::from_millis(300))));
    assert!(error.is_timeout(), "{error:?}");

    let response = stack.layer(hyper_client(Version::Http1)).run(hyper_get(&server.url("/"))).await.unwrap();
    let error = response.into_body().collect().await.unwrap_err();
    assert_eq!(Rejection::find_in(&*error), Some(&Rejection::timeout(Duration::from_millis(300))));
}

#[tokio::test]
async fn until_the_head_a_stream_may_go_on() {
    let server = stalls().await;
    let stack = stack()
        .total_timeout(Duration::from_millis(200))
        .attempt_timeout(Duration::from_millis(100))
        .until_head()
        .build()
        .unwrap();
    let mut response = stack.layer(reqwest_client(Version::Http1)).run(reqwest_get(&server.url("/"))).await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "half");
    assert!(tokio::time::timeout(Duration::from_millis(600), response.chunk()).await.is_err(), "still open");
}

/// Asks a teapot for coffee. Returns how often it was asked, and how many of these calls the circuit counted as failures.
async fn asked(stack: &HttpStack, request: Request<()>) -> (u64, u64) {
    let calls = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&calls);
    let teapot = service_fn(move |_: Request<()>| {
        count.fetch_add(1, Ordering::Relaxed);
        let response = Response::builder().status(StatusCode::IM_A_TEAPOT).body(String::new()).expect("a status");
        async move { Ok::<_, io::Error>(response) }
    });
    let circuit = stack.circuit().expect("the test arranged it");
    circuit.reset();
    let response = stack.layer(teapot).run(request).await.expect("teapots respond");
    assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
    (calls.load(Ordering::Relaxed), circuit.snapshot().tally.failures)
}

#[tokio::test(start_paused = true)]
async fn its_rules_are_those_of_the_retries_and_of_the_circuit() {
    let token = HeaderName::from_static("x-token");
    let rules = Http::builder()
        .classify_with(|status, _| (status == StatusCode::IM_A_TEAPOT).then_some(windbreak::Verdict::UNKNOWN))
        .idempotency_header(token.clone());
    let before = Stack::http("teapot").rules(rules.clone()).retry(|retry| retry.max_attempts(2));
    let after = Stack::http("teapot").retry(|retry| retry.max_attempts(2)).rules(rules);
    for stack in [before.build().unwrap(), after.build().unwrap()] {
        let order = || Request::post("/coffee");
        assert_eq!(asked(&stack, order().body(()).unwrap()).await, (1, 1));
        assert_eq!(asked(&stack, order().header(&token, "mine").body(()).unwrap()).await, (2, 2));
    }
}

#[tokio::test]
async fn a_panic_in_the_client_gives_everything_back() {
    let stack = stack().build().unwrap();
    let client = stack.layer(service_fn(|request: Request<()>| async move {
        assert!(request.uri().path() != "/panic", "on purpose");
        Ok::<_, io::Error>(Response::new(String::new()))
    }));
    let panics = Request::get("/panic").body(()).unwrap();
    assert!(tokio::spawn(client.run(panics)).await.unwrap_err().is_panic());
    assert_eq!(stack.semaphore().unwrap().in_flight(), 0);
    assert_eq!(stack.circuit().unwrap().snapshot().tally.failures, 1);
    assert_eq!(client.run(Request::get("/").body(()).unwrap()).await.unwrap().status(), 200);
}
