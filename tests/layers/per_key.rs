//! A layer for each key.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use tokio::time::{advance, sleep};
use tower::util::MapResponseLayer;
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
use windbreak::circuit_breaker::State;
use windbreak::per_key::{Evict, Keep, StatelessLayer};
use windbreak::rate_limit::{Rate, RateLimit};
use windbreak::retry::RetryBudget;
use windbreak::rules::ErrorsOnly;
use windbreak::{
    BulkheadLayer, Circuit, CircuitBreakerLayer, Error, HedgeLayer, PerKeyLayer, RateLimitLayer, Rejection, RetryLayer,
    RetryPolicy,
};

use crate::support::listening::listen;

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
            CircuitBreakerLayer::new(rules.sibling(format!("digit {key}")), ErrorsOnly)
        },
    );
    let client = ServiceBuilder::new()
        .layer(layer.expect("valid").max_idle(max_idle))
        .map_err(Error::Service)
        .service(service_fn(|request: u32| async move { if request % 2 == 0 { Err("down") } else { Ok(request) } }));
    (client.boxed_clone(), made)
}

/// The name of the circuit that rejected a request.
fn open_circuit(error: &Error<&'static str>) -> String {
    match error.rejection() {
        Some(Rejection::CircuitOpen { name, .. }) => name.to_string(),
        other => panic!("{other:?}"),
    }
}

async fn ask(client: &Client, request: u32) -> Result<u32, Error<&'static str>> {
    client.clone().oneshot(request).await
}

#[tokio::test(start_paused = true)]
async fn what_happens_to_one_key_does_not_touch_another() {
    let (client, made) = client(100, Duration::MAX);
    assert_eq!(ask(&client, 2).await, Err(Error::Service("down")));
    assert_eq!(open_circuit(&ask(&client, 12).await.unwrap_err()), "digit 2");
    assert_eq!(ask(&client, 3).await, Ok(3));
    assert_eq!(ask(&client, 13).await, Ok(13));
    assert_eq!(made.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn a_new_key_takes_the_room_of_one_that_is_as_good_as_new() {
    let (client, made) = client(2, Duration::MAX);
    let _ = ask(&client, 2).await;
    let _ = ask(&client, 3).await;
    let _ = ask(&client, 5).await; // 3 has to go: all is well with it
    assert!(ask(&client, 2).await.unwrap_err().is_circuit_open());
    assert_eq!(made.load(Ordering::Relaxed), 3);
    assert_eq!(ask(&client, 3).await, Ok(3));
    assert_eq!(made.load(Ordering::Relaxed), 4);
}

#[tokio::test(start_paused = true)]
async fn of_keys_that_are_as_good_as_new_one_that_is_used_seldom_goes() {
    let made = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&made);
    let layer = PerKeyLayer::new(
        3,
        |key: &u32| *key,
        move |key| {
            counter.fetch_add(usize::from(*key == 7), Ordering::Relaxed);
            BulkheadLayer::new(1).expect("valid")
        },
    );
    let client = ServiceBuilder::new().layer(layer.unwrap()).service(echo());
    for stranger in 100..200 {
        for key in [7, stranger] {
            assert_eq!(client.clone().oneshot(key).await, Ok(key));
        }
    }
    // It goes where it was also looked at in passing. Without a second chance it would go for every third stranger.
    assert!(made.load(Ordering::Relaxed) < 10, "made {} times", made.load(Ordering::Relaxed));
}

#[tokio::test(start_paused = true)]
async fn an_idle_key_that_protects_nothing_is_forgotten() {
    let layer = PerKeyLayer::new(100, |key: &u32| *key, |_| BulkheadLayer::new(1).expect("valid")).unwrap();
    let layer = layer.max_idle(Duration::from_secs(60));
    let client = ServiceBuilder::new().layer(layer.clone()).service(echo());
    for key in 0..10 {
        let _ = client.clone().oneshot(key).await;
    }
    for _ in 0..4 {
        advance(Duration::from_secs(30)).await;
        for _ in 0..100 {
            let _ = client.clone().oneshot(0).await;
        }
    }
    assert_eq!(layer.iter().map(|entry| *entry.key()).collect::<Vec<_>>(), [0]);
}

/// A circuit for each key that opens at the first failure, for `open_for`. Odd keys are well.
fn breakers(max_keys: usize, open_for: Duration) -> Breakers {
    let rules = Circuit::builder("rules").count_window(10).minimum_calls(1).open_for(open_for).build().expect("valid");
    let circuit = move |key: &u32| CircuitBreakerLayer::new(rules.sibling(format!("{key}")), ErrorsOnly);
    PerKeyLayer::new(max_keys, (|key: &u32| *key) as fn(&u32) -> u32, Box::new(circuit) as _).expect("valid")
}

type Breakers = PerKeyLayer<
    u32,
    CircuitBreakerLayer<ErrorsOnly>,
    fn(&u32) -> u32,
    Box<dyn Fn(&u32) -> CircuitBreakerLayer<ErrorsOnly> + Send + Sync>,
>;

fn odd_is_well(layer: &Breakers) -> Client {
    let answer = |key: u32| async move { if key % 2 == 0 { Err("down") } else { Ok(key) } };
    ServiceBuilder::new().layer(layer.clone()).map_err(Error::Service).service(service_fn(answer)).boxed_clone()
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_strangers_evicts_no_circuit_that_is_open_or_switched_by_hand() {
    let layer = breakers(4, Duration::MAX);
    let client = odd_is_well(&layer);
    let _ = ask(&client, 2).await;
    for (key, switch) in
        [(1, Circuit::force_open as fn(&Circuit)), (3, Circuit::force_closed), (5, Circuit::observe_only)]
    {
        assert_eq!(ask(&client, key).await, Ok(key));
        switch(layer.get(&key).unwrap().layer().circuit());
    }
    for round in 0..3 {
        for stranger in 0..1_000 {
            let _ = ask(&client, 2 * stranger + 101).await;
        }
        advance(Duration::from_secs(3600)).await;
        let state = |key| layer.get(&key).unwrap().layer().circuit().state();
        assert_eq!(
            [2, 1, 3, 5].map(state),
            [State::Open, State::ForcedOpen, State::ForcedClosed, State::ObserveOnly],
            "{round}"
        );
    }
    assert!(ask(&client, 2).await.unwrap_err().is_circuit_open());
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_is_forgotten_once_its_wait_is_over_and_nobody_asks() {
    let layer = breakers(100, Duration::from_secs(100)).max_idle(Duration::from_secs(60));
    let client = odd_is_well(&layer);
    let others = async || {
        for key in (1..200).step_by(2) {
            let _ = ask(&client, key).await;
        }
    };
    let _ = ask(&client, 2).await;
    advance(Duration::from_secs(61)).await;
    others().await;
    assert!(layer.get(&2).is_some(), "it rejects for 39 s more");
    advance(Duration::from_secs(61)).await;
    others().await;
    assert!(layer.get(&2).is_none());
}

/// That its time to recover is over shows with the next request, and there is none.
#[tokio::test(start_paused = true)]
async fn a_circuit_that_has_recovered_is_forgotten_once_nobody_asks() {
    let rules = Circuit::builder("rules").count_window(1).open_for(Duration::from_secs(1)).probes(1);
    let rules = rules.recover_over(Duration::from_secs(100)).build().unwrap();
    let circuit = move |key: &u32| CircuitBreakerLayer::new(rules.sibling(format!("{key}")), ErrorsOnly);
    let layer = PerKeyLayer::new(100, |key: &u32| *key, circuit).unwrap().max_idle(Duration::from_secs(60));
    let was_down = AtomicUsize::new(0);
    let client = ServiceBuilder::new().layer(layer.clone()).map_err(Error::Service).service(service_fn(|key: u32| {
        let is_down = key == 2 && was_down.fetch_add(1, Ordering::Relaxed) == 0;
        async move { if is_down { Err("down") } else { Ok(key) } }
    }));
    let others = async || {
        for key in (1..200).step_by(2) {
            let _ = client.clone().oneshot(key).await;
        }
    };
    let _ = client.clone().oneshot(2).await;
    advance(Duration::from_secs(1)).await;
    let _ = client.clone().oneshot(2).await;
    advance(Duration::from_secs(61)).await;
    others().await;
    let state = layer.get(&2).map(|entry| entry.layer().circuit().state());
    assert_eq!(state, Some(State::Recovering), "it rejects some for 39 s more");
    advance(Duration::from_secs(61)).await;
    others().await;
    assert!(layer.get(&2).is_none());
}

#[tokio::test(start_paused = true)]
async fn how_long_a_key_is_idle_counts_from_the_end_of_its_last_request() {
    let rules = Circuit::builder("rules").count_window(10).minimum_calls(2).build().unwrap();
    let circuit = move |key: &u32| CircuitBreakerLayer::new(rules.sibling(format!("{key}")), ErrorsOnly);
    let layer = PerKeyLayer::new(100, |key: &u32| *key, circuit).unwrap().max_idle(Duration::from_secs(60));
    let client =
        ServiceBuilder::new().layer(layer.clone()).map_err(Error::Service).service(service_fn(|key: u32| async move {
            if key == 2 {
                sleep(Duration::from_secs(100)).await;
                return Err("down");
            }
            Ok(key)
        }));
    let others = async || {
        for key in (1..200).step_by(2) {
            let _ = client.clone().oneshot(key).await;
        }
    };
    let _ = client.clone().oneshot(2).await;
    others().await;
    let failures = layer.get(&2).map(|entry| entry.layer().circuit().snapshot().tally.failures);
    assert_eq!(failures, Some(1), "it was in use until now");
    advance(Duration::from_secs(61)).await;
    others().await;
    others().await;
    assert!(layer.get(&2).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_bulkhead_of_two_never_has_more_in_flight_however_many_strangers_come() {
    let bulkhead = BulkheadLayer::new(2).unwrap();
    let layer = PerKeyLayer::new(4, |key: &u32| *key, move |_| bulkhead.sibling()).unwrap();
    let in_flight = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&in_flight);
    let client =
        ServiceBuilder::new().layer(layer.clone()).map_err(Error::Service).service(service_fn(move |key: u32| {
            let counter = Arc::clone(&counter);
            async move {
                if key == 7 {
                    counter.fetch_add(1, Ordering::Relaxed);
                    std::future::pending::<()>().await;
                }
                Ok::<_, &'static str>(key)
            }
        }));
    let mut calls = Vec::new();
    for turn in 0..100 {
        let mut call = tokio_test::task::spawn(client.clone().oneshot(7));
        let _ = call.poll();
        calls.push(call);
        for stranger in 0..20 {
            let _ = client.clone().oneshot(1_000 + turn * 20 + stranger).await;
        }
    }
    assert_eq!(in_flight.load(Ordering::Relaxed), 2);
    drop(calls);
    // Now it may go.
    for stranger in 0..20 {
        let _ = client.clone().oneshot(stranger + 100).await;
    }
    assert!(layer.get(&7).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_key_with_a_request_under_way_is_not_evicted() {
    let layer = breakers(1, Duration::MAX);
    let hangs_at_1 = service_fn(|key: u32| async move {
        if key == 1 {
            std::future::pending::<()>().await;
        }
        Ok::<_, Error<&'static str>>(key)
    });
    let client = ServiceBuilder::new().layer(layer.clone()).service(hangs_at_1);
    let mut call = tokio_test::task::spawn(client.clone().oneshot(1));
    assert!(call.poll().is_pending());
    assert_eq!(client.clone().oneshot(3).await, Ok(3));
    assert!(layer.get(&1).is_some() && layer.get(&3).is_none(), "its circuit is as good as new, and it stays");
    drop(call);
    assert_eq!(client.oneshot(3).await, Ok(3));
    assert!(layer.get(&1).is_none() && layer.get(&3).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_resized_bulkhead_is_kept() {
    let bulkhead = BulkheadLayer::new(2).unwrap();
    let layer = PerKeyLayer::new(1, |key: &u32| *key, move |_| bulkhead.sibling()).unwrap();
    let client = ServiceBuilder::new().layer(layer.clone()).service(echo());
    let _ = client.clone().oneshot(1).await;
    layer.get(&1).unwrap().layer().semaphore().resize(1).unwrap();
    let _ = client.clone().oneshot(2).await;
    assert_eq!(layer.get(&1).unwrap().layer().semaphore().limit(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_is_kept_until_it_would_let_a_whole_burst_pass() {
    let changes: [fn(&RateLimit); 3] = [
        |limit| limit.try_acquire(2).unwrap(),
        |limit| limit.pause_for(Duration::from_secs(20)),
        |limit| limit.set(Rate::per_minute(6).burst(1).unwrap()),
    ];
    for (change, is_kept) in changes.into_iter().zip([false, false, true]) {
        let rate = RateLimitLayer::new(Rate::per_minute(6).burst(2).unwrap());
        let layer = PerKeyLayer::new(1, |key: &u32| *key, move |_| rate.sibling()).unwrap();
        let client = ServiceBuilder::new().layer(layer.clone()).service(echo());
        assert_eq!(client.clone().oneshot(1).await, Ok(1));
        advance(Duration::from_secs(10)).await;
        change(&layer.get(&1).unwrap().layer().limit());
        // To the last moment.
        advance(Duration::from_nanos(19_999_999_999)).await;
        assert_eq!(client.clone().oneshot(2).await, Ok(2));
        assert!(layer.get(&1).is_some(), "another limit would let more pass");
        advance(Duration::from_nanos(1)).await;
        assert_eq!(client.clone().oneshot(2).await, Ok(2));
        assert_eq!(layer.get(&1).is_some(), is_kept);
    }
}

#[tokio::test(start_paused = true)]
async fn keys_that_find_no_room_share_one_layer_until_there_is() {
    let layer = breakers(2, Duration::from_secs(10)).max_idle(Duration::from_secs(60));
    let client = odd_is_well(&layer);
    for key in [2, 4] {
        assert_eq!(ask(&client, key).await, Err(Error::Service("down")));
    }
    assert!(layer.overflow().is_none());
    assert_eq!(ask(&client, 6).await, Err(Error::Service("down")));
    // What is shared is shared for better or worse.
    assert_eq!(open_circuit(&ask(&client, 7).await.unwrap_err()), "6");
    assert_eq!((layer.keys(), *layer.overflow().unwrap().key()), (2, 6));
    advance(Duration::from_secs(61)).await;
    assert_eq!(ask(&client, 7).await, Ok(7));
    assert!(layer.get(&7).is_some());
}

#[tokio::test]
async fn that_keys_share_a_layer_is_told_once() {
    let warnings = Arc::new(AtomicUsize::new(0));
    let subscriber = Warnings(Arc::clone(&warnings));
    let _listening = listen(subscriber);
    let layer = breakers(1, Duration::MAX);
    let client = odd_is_well(&layer);
    for key in [2, 4, 6, 7, 8] {
        let _ = ask(&client, key).await;
    }
    assert_eq!(warnings.load(Ordering::Relaxed), 1);
}

/// Counts what is told of keys as a warning.
struct Warnings(Arc<AtomicUsize>);

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN && metadata.target().contains("per_key")
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, _: &tracing::Event<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

/// Does something when it or a clone of it is dropped, and when it is asked whether it may go.
#[derive(Clone)]
struct Hooked<F: Fn() + Clone>(F);

impl<F: Fn() + Clone> Drop for Hooked<F> {
    fn drop(&mut self) {
        self.0();
    }
}

impl<S, F: Fn() + Clone> tower::Layer<S> for Hooked<F> {
    type Service = HookedService<S, F>;

    fn layer(&self, inner: S) -> Self::Service {
        HookedService { inner, hook: self.clone() }
    }
}

#[derive(Clone)]
struct HookedService<S, F: Fn() + Clone> {
    inner: S,
    hook: Hooked<F>,
}

impl<S: Evict, F: Fn() + Clone> Evict for HookedService<S, F> {
    fn keep(&self) -> Keep {
        (self.hook.0)();
        self.inner.keep()
    }
}

impl<S: Service<R>, R, F: Fn() + Clone> Service<R> for HookedService<S, F> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut std::task::Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> S::Future {
        self.inner.call(request)
    }
}

fn echo() -> tower::util::ServiceFn<fn(u32) -> std::future::Ready<Result<u32, Error<&'static str>>>> {
    service_fn(|request| std::future::ready(Ok(request)))
}

#[tokio::test(start_paused = true)]
async fn no_lock_is_held_while_users_code_runs() {
    let look = Meanwhile::default();
    let (for_key, for_layer, for_drop) = (Arc::clone(&look), Arc::clone(&look), Arc::clone(&look));
    let looks = Arc::new(AtomicUsize::new(0));
    let layer = PerKeyLayer::new(
        2,
        move |key: &u32| {
            for_key.get().expect("set")();
            *key
        },
        move |_| {
            for_layer.get().expect("set")();
            let look = Arc::clone(&for_drop);
            Hooked(move || look.get().expect("set")())
        },
    );
    let layer = layer.unwrap();
    let (same, counter) = (layer.clone(), Arc::clone(&looks));
    let set = look.set(Box::new(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        // So few keys have one lock. Whoever found a key would keep it from going.
        assert!(same.get(&u32::MAX).is_none());
    }));
    assert!(set.is_ok());
    let client = ServiceBuilder::new().layer(layer.clone()).service(echo());
    for key in 0..20 {
        assert_eq!(client.clone().oneshot(key).await, Ok(key));
    }
    assert!(layer.overflow().is_none() && layer.get(&19).is_some(), "the others went");
    assert!(looks.load(Ordering::Relaxed) > 50);
}

/// A key whose `Hash` or `Eq` panics on demand.
#[derive(Clone)]
struct Moody {
    number: u32,
    hash_panics: bool,
    eq_panics: bool,
}

impl std::hash::Hash for Moody {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        assert!(!self.hash_panics, "hash");
        // All alike, so that they are compared.
        state.write_u32(0);
    }
}

impl PartialEq for Moody {
    fn eq(&self, other: &Self) -> bool {
        assert!(!self.eq_panics && !other.eq_panics, "eq");
        self.number == other.number
    }
}

impl Eq for Moody {}

#[tokio::test]
async fn a_key_whose_hash_or_eq_panics_breaks_nothing() {
    let bulkhead = BulkheadLayer::new(1).unwrap();
    let layer = PerKeyLayer::new(10, Moody::clone, move |_| bulkhead.sibling()).unwrap();
    let service = service_fn(|key: Moody| async move { Ok::<_, Error<&'static str>>(key.number) });
    let ask = |number, hash_panics, eq_panics| {
        // A new service each time: it knows no key, so that the table compares them, with its lock.
        let client = ServiceBuilder::new().layer(layer.clone()).service(service);
        tokio::spawn(async move { client.oneshot(Moody { number, hash_panics, eq_panics }).await })
    };
    for number in 0..5 {
        assert_eq!(ask(number, false, false).await.unwrap(), Ok(number));
    }
    for _ in 0..3 {
        assert!(ask(1, true, false).await.unwrap_err().is_panic());
        assert!(ask(1, false, true).await.unwrap_err().is_panic());
    }
    for number in 0..8 {
        assert_eq!(ask(number, false, false).await.unwrap(), Ok(number));
    }
    assert_eq!(layer.keys(), 8);
    assert_eq!(layer.iter().count(), 8);
}

#[tokio::test]
async fn a_request_from_the_code_that_makes_the_layer_of_its_key_is_rejected() {
    let meanwhile = Meanwhile::default();
    let hook = Arc::clone(&meanwhile);
    let layer = PerKeyLayer::new(
        10,
        |key: &u32| *key,
        move |_| {
            hook.get().expect("set")();
            BulkheadLayer::new(1).expect("valid")
        },
    );
    let client = ServiceBuilder::new().layer(layer.unwrap()).service(echo());
    let same = client.clone();
    let set = meanwhile.set(Box::new(move || {
        let answer = tokio_test::task::spawn(same.clone().oneshot(7)).poll();
        assert_eq!(answer, Poll::Ready(Err(Error::Rejected(Rejection::LayerUnfinished))));
    }));
    assert!(set.is_ok());
    assert_eq!(client.clone().oneshot(7).await, Ok(7));
    assert_eq!(client.oneshot(7).await, Ok(7));
}

#[tokio::test(start_paused = true)]
async fn of_300_000_idle_keys_each_request_drops_a_few() {
    const KEYS: u32 = 300_000;
    let bulkhead = BulkheadLayer::new(1).unwrap();
    let layer = PerKeyLayer::new(KEYS as usize, |key: &u32| *key, move |_| bulkhead.sibling());
    let layer = layer.unwrap();
    let mut client = ServiceBuilder::new().layer(layer.clone()).service(echo());
    for key in 0..KEYS {
        assert_eq!(client.ready().await.unwrap().call(key).await, Ok(key));
    }
    assert_eq!(layer.keys(), KEYS as usize);
    advance(Duration::from_secs(601)).await;
    let mut most = 0;
    for key in 0..1_000 {
        let before = layer.keys();
        assert_eq!(client.ready().await.unwrap().call(KEYS + key).await, Ok(KEYS + key));
        most = most.max(before.saturating_sub(layer.keys()));
    }
    assert!((1..=8).contains(&most), "{most}");
    assert!(layer.keys() < KEYS as usize - 1_000, "they go, {} are left", layer.keys());
}

#[tokio::test]
async fn services_around_different_inner_services_share_the_layers() {
    let bulkhead = BulkheadLayer::new(1).unwrap();
    let layer = PerKeyLayer::new(10, |_: &u32| "host", move |_| bulkhead.sibling()).unwrap();
    let answers = |answer: u32| {
        service_fn(move |request: u32| async move {
            if request == 0 {
                std::future::pending::<()>().await;
            }
            Ok::<_, Error<&'static str>>(answer)
        })
    };
    let one = ServiceBuilder::new().layer(layer.clone()).service(answers(1));
    let mut two = ServiceBuilder::new().layer(layer.clone()).service(answers(2));
    assert_eq!((one.clone().oneshot(7).await, two.clone().oneshot(7).await), (Ok(1), Ok(2)));
    let mut hangs = tokio_test::task::spawn(one.clone().oneshot(0));
    assert!(hangs.poll().is_pending());
    assert!(two.clone().oneshot(7).await.unwrap_err().is_bulkhead_full());
    drop(hangs);
    assert_eq!((one.clone().oneshot(7).await, two.clone().oneshot(7).await), (Ok(1), Ok(2)));

    // Who is given another inner service uses it.
    *two.get_mut() = answers(3);
    assert_eq!((two.clone().oneshot(7).await, one.oneshot(7).await), (Ok(3), Ok(1)));
    assert_eq!(layer.keys(), 1);
}

#[tokio::test]
async fn what_an_inner_service_reserved_for_nobody_is_given_back() {
    let layer = PerKeyLayer::new(10, |key: &u32| *key, |_| BulkheadLayer::new(9).expect("valid")).unwrap();
    let inner = ServiceBuilder::new().concurrency_limit(1).service(echo());
    let mut client = ServiceBuilder::new().layer(layer).service(inner);
    for key in 0..3 {
        let mut response = tokio_test::task::spawn(client.ready().await.unwrap().call(key));
        assert_eq!(response.poll(), Poll::Ready(Ok(key)));
    }
}

#[tokio::test]
async fn keys_are_looked_up_and_listed() {
    let layer = PerKeyLayer::new(10, |key: &u32| *key, |_| BulkheadLayer::new(3).expect("valid")).unwrap();
    let client = ServiceBuilder::new().layer(layer.clone()).service(echo());
    for key in [3, 1, 2, 1] {
        let _ = client.clone().oneshot(key).await;
    }
    assert!(layer.get(&4).is_none());
    assert_eq!(layer.get(&2).map(|entry| entry.layer().semaphore().limit()), Some(3));
    let mut all: Vec<u32> = layer.iter().map(|entry| *entry.key()).collect();
    all.sort_unstable();
    assert_eq!((all, layer.keys()), (vec![1, 2, 3], 3));
}

#[tokio::test(start_paused = true)]
async fn each_key_has_places_and_a_retry_budget_of_its_own() {
    let bulkhead = BulkheadLayer::new(1).unwrap();
    let policy = RetryPolicy::builder().max_attempts(2);
    let policy = policy.budget(RetryBudget::new(0.000_001, 1).unwrap()).build().unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let layer = PerKeyLayer::new(
        10,
        |key: &u32| *key,
        move |_| {
            ServiceBuilder::new()
                .layer(RetryLayer::new(policy.sibling(), ErrorsOnly.idempotent(|_: &u32| true)))
                .layer(bulkhead.sibling())
                .into_inner()
        },
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

/// A budget of its own would begin anew.
#[tokio::test(start_paused = true)]
async fn a_hedge_whose_budget_was_drawn_on_is_kept() {
    let hedge = |_: &u32| HedgeLayer::after(Duration::from_secs(1), ErrorsOnly.idempotent(|_: &u32| true));
    let layer = PerKeyLayer::new(1, |key: &u32| *key, hedge);
    let layer = layer.unwrap().max_idle(Duration::from_secs(20));
    let client = ServiceBuilder::new().layer(layer.clone()).service(service_fn(|key: u32| async move {
        sleep(Duration::from_secs(if key == 1 { 2 } else { 0 })).await;
        Ok::<_, Error<&'static str>>(key)
    }));
    assert_eq!(client.clone().oneshot(1).await, Ok(1));
    let sent = layer.get(&1).map(|entry| entry.layer().hedging().counts().sent);
    assert_eq!(sent, Some(1));
    assert_eq!(client.clone().oneshot(2).await, Ok(2));
    assert!(layer.get(&1).is_some());
    advance(Duration::from_secs(11)).await;
    assert_eq!(client.clone().oneshot(2).await, Ok(2));
    assert!(layer.get(&1).is_none(), "all that was paid has come back");
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
            StatelessLayer::new(MapResponseLayer::new(move |_: u32| number))
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
        let answer = thread::scope(|scope| {
            scope.spawn(|| tokio_test::task::spawn(other.clone().oneshot(7)).poll()).join().expect("no panic")
        });
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
    // Ready at once: it is the service of the key that has to be.
    let mut response = tokio_test::task::spawn(client.ready().await.unwrap().call(7));
    assert!(response.poll().is_pending());
    handle.notify_one();
    assert_eq!(response.await.unwrap(), 7);
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
    let error = PerKeyLayer::new(0, |key: &u32| *key, |_| BulkheadLayer::new(1).expect("valid")).unwrap_err();
    assert_eq!(error.to_string(), "`max_keys` is 0; it must be at least 1");
}
