//! Many hosts behind one client, over real connections.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};
use tower::{Service, ServiceBuilder, ServiceExt as _};
use windbreak::http::{Http, authority};
use windbreak::{BulkheadLayer, Circuit, CircuitBreakerLayer, Error, PerKeyLayer};

use crate::support::http::{Server, Version, dead_address, hyper_client, reqwest_client};

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
        let (one, other, dead) = (well().await, well().await, dead_address());
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
