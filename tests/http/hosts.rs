//! Many hosts behind one client, and the standard stack, over real connections.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};
use tower::{Layer, Service, ServiceBuilder, ServiceExt as _};
use windbreak::circuit_breaker::State;
use windbreak::http::{Http, authority};
use windbreak::{BulkheadLayer, Circuit, CircuitBreakerLayer, Error, PerKeyLayer};

use crate::support::http::{Server, Version, dead_address, direct_client, hyper_client, reqwest_client};

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
async fn a_dead_host_opens_no_circuit_but_its_own() {
    async fn check<C, R, T, E>(client: C, get: fn(&str) -> R, keys: impl Fn() -> usize, seen: &Mutex<HashSet<String>>)
    where
        C: Service<R, Response = T, Error = Error<E>> + Clone,
        E: std::fmt::Debug,
    {
        let (one, other, dead) = (well().await, well().await, dead_address().await);
        for turn in 0..6 {
            let error = client.clone().oneshot(get(&format!("http://{dead}/"))).await.err().expect("nobody listens");
            // Three calls are enough to know.
            assert_eq!(error.is_circuit_open(), turn >= 3, "{turn}");
            for server in [&one, &other] {
                client.clone().oneshot(get(&server.url("/"))).await.unwrap();
            }
        }
        assert_eq!((one.requests(), other.requests(), keys()), (6, 6, 3));
        let expected = [one.address(), other.address(), dead].map(|address| address.to_string());
        assert_eq!(*seen.lock().unwrap(), HashSet::from(expected));

        // A host goes down while the other is well, and comes back.
        let (address, url) = (one.address(), one.url("/"));
        one.stop().await;
        let mut broken = 0;
        while !client.clone().oneshot(get(&url)).await.err().is_some_and(|error| error.is_circuit_open()) {
            broken += 1;
            assert!(broken < 20, "the circuit does not open");
        }
        client.clone().oneshot(get(&other.url("/"))).await.unwrap();
        let listener = TcpListener::bind(address).await.unwrap();
        let back = Server::http_on(listener, |_| async { Response::new(Full::<Bytes>::from("ok")) });
        let start = Instant::now();
        while client.clone().oneshot(get(&url)).await.is_err() {
            assert!(start.elapsed() < Duration::from_secs(5), "the circuit does not close");
            sleep(Duration::from_millis(20)).await;
        }
        client.clone().oneshot(get(&other.url("/"))).await.unwrap();
        drop(client);
        back.is_left_alone().await;
        other.is_left_alone().await;
    }

    macro_rules! per_host {
        ($request:ty, $seen:ident) => {{
            let rules = Circuit::builder("any host").count_window(20).failure_ratio(0.1).minimum_calls(3);
            let rules = rules.open_for(Duration::from_secs(1)).probes(1).build().unwrap();
            let bulkhead = BulkheadLayer::new(4).unwrap();
            let seen = Arc::clone(&$seen);
            PerKeyLayer::new(16, authority::<$request>, move |host: &String| {
                seen.lock().unwrap().insert(host.clone());
                ServiceBuilder::new()
                    .layer(CircuitBreakerLayer::new(rules.sibling(host.as_str()), Http))
                    .layer(bulkhead.sibling())
                    .into_inner()
            })
            .unwrap()
        }};
    }

    let seen = Arc::new(Mutex::new(HashSet::new()));
    let layer = per_host!(Request<Full<Bytes>>, seen);
    let client = ServiceBuilder::new().layer(layer.clone()).map_err(Error::Service);
    check(client.service(hyper_client(Version::Http1)), hyper_get, || layer.keys(), &seen).await;

    let seen = Arc::new(Mutex::new(HashSet::new()));
    let layer = per_host!(reqwest::Request, seen);
    let client = ServiceBuilder::new().layer(layer.clone()).map_err(Error::Service);
    check(client.service(reqwest_client(Version::Http1)), reqwest_get, || layer.keys(), &seen).await;
}

fn standard() -> Standard {
    Standard::builder("search")
        .total_timeout(Duration::from_secs(5))
        .attempt_timeout(Duration::from_secs(2))
        .retry(|retry| retry.backoff(Duration::from_millis(5)))
        .circuit(|circuit| circuit.minimum_calls(10).open_for(Duration::from_secs(1)).probes(1))
        .build()
        .expect("the numbers are good")
}

#[tokio::test]
async fn the_standard_stack_answers_over_both_clients_and_versions() {
    let server = well().await;
    for version in [Version::Http1, Version::Http2] {
        let client = ServiceBuilder::new().layer(standard()).map_err(Error::Service).service(hyper_client(version));
        let response = client.oneshot(hyper_get(&server.url("/"))).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ok");

        let client = ServiceBuilder::new().layer(standard()).map_err(Error::Service).service(reqwest_client(version));
        let response = client.oneshot(reqwest_get(&server.url("/"))).await.unwrap();
        assert_eq!(response.text().await.unwrap(), "ok");
    }
    assert_eq!(server.requests(), 4);
    server.is_left_alone().await;
}

#[tokio::test]
async fn the_standard_stack_protects_while_the_server_is_away_and_recovers_when_it_is_back() {
    async fn check<C, R, T, E>(client: C, get: fn(&str) -> R, stack: &Standard)
    where
        C: Service<R, Response = T, Error = Error<E>> + Clone,
        E: std::fmt::Debug,
    {
        let server = well().await;
        let (address, url) = (server.address(), server.url("/"));
        for _ in 0..10 {
            client.clone().oneshot(get(&url)).await.unwrap();
        }
        assert_eq!((server.requests(), stack.circuit().state()), (10, State::Closed));

        server.stop().await;
        let mut broken = 0;
        while stack.circuit().state() == State::Closed {
            client.clone().oneshot(get(&url)).await.err().expect("nobody listens");
            broken += 1;
            // With at most three attempts for each, and half of the calls.
            assert!(broken <= 20, "the circuit does not open");
        }
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
        assert_eq!((stack.circuit().state(), back.requests()), (State::Closed, 1));
        assert_eq!(stack.semaphore().in_flight(), 0);
        drop(client);
        back.is_left_alone().await;
    }

    let stack = standard();
    let client = stack.layer(ServiceBuilder::new().map_err(Error::Service).service(hyper_client(Version::Http1)));
    check(client, hyper_get, &stack).await;
    let stack = standard();
    let client = stack.layer(ServiceBuilder::new().map_err(Error::Service).service(reqwest_client(Version::Http1)));
    check(client, reqwest_get, &stack).await;
}

#[tokio::test]
async fn the_standard_stack_repeats_an_order_that_was_turned_away_if_there_can_be_no_redirect() {
    let server = Server::http(|_| async {
        let mut response = Response::new(Full::<Bytes>::default());
        *response.status_mut() = http::StatusCode::TOO_MANY_REQUESTS;
        response
    })
    .await;
    let order = || reqwest_client(Version::Http1).post(server.url("/")).build().unwrap();

    let client =
        ServiceBuilder::new().layer(standard()).map_err(Error::Service).service(reqwest_client(Version::Http1));
    assert_eq!(client.oneshot(order()).await.unwrap().status(), 429);
    assert_eq!(server.requests(), 1);

    let rules = Http::builder().without_redirects();
    let stack = Standard::builder("orders").rules(rules).build().unwrap();
    let client = ServiceBuilder::new().layer(stack).map_err(Error::Service).service(direct_client(Version::Http1));
    assert_eq!(client.oneshot(order()).await.unwrap().status(), 429);
    assert_eq!(server.requests(), 1 + 3);
    server.is_left_alone().await;
}

#[tokio::test]
async fn the_standard_stack_bounds_what_a_silent_server_costs() {
    let server = Server::raw(|mut peer| async move {
        peer.request().await;
        peer.closed().await;
    })
    .await;
    let stack = Standard::builder("silent")
        .total_timeout(Duration::from_millis(400))
        .connect_timeout(Duration::from_millis(50))
        .attempt_timeout(Duration::from_millis(150))
        .max_in_flight(4)
        .retry(|retry| retry.backoff(Duration::from_millis(5)))
        .build()
        .unwrap();
    let client =
        ServiceBuilder::new().layer(stack.clone()).map_err(Error::Service).service(hyper_client(Version::Http1));
    let start = Instant::now();
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..8 {
        running.spawn(client.clone().oneshot(hyper_get(&server.url("/"))));
    }
    let errors = running.join_all().await.into_iter().map(Result::unwrap_err).collect::<Vec<_>>();
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert_eq!(errors.iter().filter(|error| error.is_bulkhead_full()).count(), 4, "{errors:?}");
    assert_eq!(errors.iter().filter(|error| error.is_timeout()).count(), 4, "{errors:?}");
    assert_eq!(stack.semaphore().in_flight(), 0);
    drop(client);
    server.is_left_alone().await;
}
