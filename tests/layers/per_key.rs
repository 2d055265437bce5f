//! A layer for each key.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;

use tokio::time::advance;
use tower::util::MapResponseLayer;
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
use windbreak::retry::RetryBudget;
use windbreak::{BulkheadLayer, Circuit, CircuitBreakerLayer, Error, PerKeyLayer, RetryLayer, RetryPolicy};

type Client = tower::util::BoxCloneService<u32, u32, Error<&'static str>>;

/// A client whose keys are the last digit, with a counter of the layers that were made. Even digits are down.
fn client(max_keys: usize, max_idle: Duration) -> (Client, Arc<AtomicUsize>) {
    let rules = Circuit::builder("rules").count_window(10).minimum_calls(1).open_for(Duration::MAX);
    let rules = rules.build().expect("valid");
    let made = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&made);
    let layer = PerKeyLayer::new(
        max_keys,
        |request: &u32| request % 10,
        move |key| {
            counter.fetch_add(1, Ordering::Relaxed);
            CircuitBreakerLayer::new(rules.sibling(format!("digit {key}")))
        },
    );
    let client = ServiceBuilder::new()
        .layer(layer.expect("valid").max_idle(max_idle))
        .map_err(Error::Service)
        .service(service_fn(|request: u32| async move { if request % 2 == 0 { Err("down") } else { Ok(request) } }));
    (client.boxed_clone(), made)
}

async fn ask(client: &Client, request: u32) -> Result<u32, Error<&'static str>> {
    client.clone().oneshot(request).await
}

#[tokio::test(start_paused = true)]
async fn what_happens_to_one_key_does_not_touch_another() {
    let (client, made) = client(100, Duration::MAX);
    assert_eq!(ask(&client, 2).await, Err(Error::Service("down")));
    let rejected = ask(&client, 12).await.unwrap_err();
    assert_eq!(rejected.to_string(), "circuit `digit 2` is open");
    assert_eq!(ask(&client, 3).await, Ok(3));
    assert_eq!(ask(&client, 13).await, Ok(13));
    assert_eq!(made.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn the_key_used_longest_ago_makes_room_for_a_new_one() {
    let (client, made) = client(2, Duration::MAX);
    let _ = ask(&client, 2).await;
    let _ = ask(&client, 4).await;
    assert!(ask(&client, 2).await.unwrap_err().is_circuit_open());
    let _ = ask(&client, 6).await; // 4 has to go
    assert!(ask(&client, 2).await.unwrap_err().is_circuit_open());
    assert_eq!(made.load(Ordering::Relaxed), 3);
    assert_eq!(ask(&client, 4).await, Err(Error::Service("down")));
}

#[tokio::test(start_paused = true)]
async fn an_idle_key_is_forgotten_and_one_in_use_is_not() {
    let (client, made) = client(100, Duration::from_secs(60));
    let _ = ask(&client, 2).await;
    let _ = ask(&client, 4).await;
    for _ in 0..3 {
        advance(Duration::from_secs(30)).await;
        assert!(ask(&client, 2).await.unwrap_err().is_circuit_open());
    }
    assert_eq!(made.load(Ordering::Relaxed), 2);
    assert_eq!(ask(&client, 4).await, Err(Error::Service("down")));
    assert_eq!(made.load(Ordering::Relaxed), 3);
}

#[tokio::test(start_paused = true)]
async fn each_key_has_places_and_a_retry_budget_of_its_own() {
    let bulkhead = BulkheadLayer::new(1).unwrap();
    let policy = RetryPolicy::builder().assume_idempotent(true).max_attempts(2);
    let policy = policy.budget(RetryBudget::new(0.000_001, 1).unwrap()).build().unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let layer = PerKeyLayer::new(
        10,
        |key: &u32| *key,
        move |_| ServiceBuilder::new().layer(RetryLayer::new(policy.sibling())).layer(bulkhead.sibling()).into_inner(),
    );
    let client =
        ServiceBuilder::new().layer(layer.unwrap()).map_err(Error::Service).service(service_fn(move |_: u32| {
            counter.fetch_add(1, Ordering::Relaxed);
            async {
                tokio::task::yield_now().await;
                Err::<(), _>("down")
            }
        }));
    let ask = |key| client.clone().oneshot(key);
    let (first, second, other) = tokio::join!(ask(1), ask(1), ask(2));
    assert_eq!((&first, &other), (&Err(Error::Service("down")), &Err(Error::Service("down"))));
    assert!(second.unwrap_err().is_bulkhead_full());
    // One retry for each of the two keys; the budgets are spent.
    assert_eq!(calls.load(Ordering::Relaxed), 4);
    let _ = ask(1).await;
    assert_eq!(calls.load(Ordering::Relaxed), 5);
}

/// Done while the first layer is made.
type Meanwhile = Arc<OnceLock<Box<dyn Fn() + Send + Sync>>>;

#[tokio::test]
async fn a_layer_may_be_used_while_it_makes_one_and_that_which_is_there_first_is_kept() {
    let made = AtomicUsize::new(0);
    let meanwhile = Meanwhile::default();
    let hook = Arc::clone(&meanwhile);
    let layer = PerKeyLayer::new(
        10,
        |key: &u32| *key,
        move |_| {
            let number = made.fetch_add(1, Ordering::Relaxed);
            if number == 0 {
                hook.get().expect("it is set before the first request")();
            }
            MapResponseLayer::new(move |_: u32| number)
        },
    );
    let layer = layer.unwrap();
    let client = ServiceBuilder::new()
        .layer(layer.clone())
        .service(service_fn(|key: u32| async move { Ok::<_, Error<&'static str>>(key) }));
    let other = client.clone();
    let seen = Arc::new(AtomicUsize::new(usize::MAX));
    let noted = Arc::clone(&seen);
    let set = meanwhile.set(Box::new(move || {
        assert_eq!(layer.keys(), 0);
        let answer = tokio_test::task::spawn(other.clone().oneshot(7)).poll();
        assert_eq!(answer, Poll::Ready(Ok(1)), "the second to be made");
        noted.store(layer.keys(), Ordering::Relaxed);
    }));
    assert!(set.is_ok());
    assert_eq!(client.clone().oneshot(7).await, Ok(1), "not the one that was begun first");
    assert_eq!(seen.load(Ordering::Relaxed), 1);
    assert_eq!(client.clone().oneshot(7).await, Ok(1));
    assert_eq!(client.oneshot(8).await, Ok(2));
}

#[tokio::test]
async fn readiness_of_the_inner_service_is_awaited() {
    let (mock, handle) = gated();
    let layer = PerKeyLayer::new(10, |_: &u32| (), |()| BulkheadLayer::new(1).expect("valid")).unwrap();
    let mut client = ServiceBuilder::new().layer(layer).service(mock);
    assert!(tokio_test::task::spawn(client.ready()).poll().is_pending());
    handle.notify_one();
    assert_eq!(client.ready().await.unwrap().call(7).await.unwrap(), 7);
}

/// A service that is ready once it is told so.
fn gated() -> (Gated, Arc<tokio::sync::Notify>) {
    let gate = Arc::new(tokio::sync::Notify::new());
    (Gated { gate: Arc::clone(&gate), open: false, waiting: None }, gate)
}

struct Gated {
    gate: Arc<tokio::sync::Notify>,
    open: bool,
    waiting: Option<std::pin::Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Clone for Gated {
    fn clone(&self) -> Self {
        Self { gate: Arc::clone(&self.gate), open: false, waiting: None }
    }
}

impl Service<u32> for Gated {
    type Response = u32;
    type Error = Error<&'static str>;
    type Future = std::future::Ready<Result<u32, Self::Error>>;

    fn poll_ready(&mut self, cx: &mut std::task::Context<'_>) -> Poll<Result<(), Self::Error>> {
        if self.open {
            return Poll::Ready(Ok(()));
        }
        let gate = Arc::clone(&self.gate);
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(async move { gate.notified().await }));
        std::task::ready!(waiting.as_mut().poll(cx));
        self.open = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u32) -> Self::Future {
        assert!(std::mem::take(&mut self.open), "called without being ready");
        std::future::ready(Ok(request))
    }
}

#[test]
fn no_keys_at_all_is_an_error() {
    let error = PerKeyLayer::new(0, |key: &u32| *key, |_| BulkheadLayer::new(1)).unwrap_err();
    assert_eq!(error.to_string(), "`max_keys` is 0; it must be at least 1");
}
