//! What a layer remembers keeps its key from being evicted: for ever, until it is idle, or not at all.

use std::time::Duration;

use http::Response;
use tokio::time::advance;
use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::{Layer, Service, ServiceBuilder, ServiceExt as _, service_fn};
use windbreak::bulkhead::{Adapt, AdaptiveBulkheadLayer};
use windbreak::http::idempotency_key::IdempotencyKeyLayer;
use windbreak::http::progress_timeout::ProgressTimeoutLayer;
use windbreak::http::{Http, authority};
use windbreak::per_key::{Bottom, Evict, Keep};
use windbreak::rate_limit::{Rate, RateLimit};
use windbreak::rules::{Classify, ErrorsOnly, rules_fn};
use windbreak::throttle::{Throttle, ThrottleLayer};
use windbreak::{
    BulkheadLayer, Circuit, CircuitBreakerLayer, DeadLetterLayer, PerKeyLayer, RateLimitLayer, RetryLayer, RetryPolicy,
    Verdict, Verified, VerifyLayer,
};

use super::helpers::echo;
use crate::support::secs;

type Error = windbreak::Error<&'static str>;

/// The key that the tests look at. There is room for no other.
const KEY: u32 = 1;
const MAX_IDLE: Duration = secs(60);

type One<L, M> = PerKeyLayer<u32, L, fn(&u32) -> u32, M>;

/// Layers of which one is kept for its own key.
fn room_for_one<L, M>(layer_for: M) -> One<L, M>
where
    L: Layer<Bottom, Service: Evict>,
    M: Fn(&u32) -> L,
{
    PerKeyLayer::new(1, (|key| *key) as fn(&u32) -> u32, layer_for).expect("valid").max_idle(MAX_IDLE)
}

/// Whether the key still has its layer, after requests of other keys that would take its room.
async fn outlives_strangers<C, L, M>(client: &C, layer: &One<L, M>) -> bool
where
    C: Service<u32> + Clone,
    L: Layer<Bottom, Service: Evict>,
    M: Fn(&u32) -> L,
{
    assert!(layer.get(&KEY).is_some(), "it has one");
    for stranger in 100..120 {
        let _ = client.clone().oneshot(stranger).await;
    }
    layer.get(&KEY).is_some()
}

fn two_an_hour() -> RateLimitLayer {
    RateLimitLayer::new(Rate::every(secs(3600)).burst(2).expect("valid"))
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_in_debt_is_kept_until_the_whole_burst_is_back() {
    let any_key = two_an_hour();
    let layer = room_for_one(move |_| any_key.sibling());
    let client = ServiceBuilder::new().layer(layer.clone()).service(echo());
    for _ in 0..2 {
        assert_eq!(client.clone().oneshot(KEY).await, Ok(KEY));
    }
    let start = tokio::time::Instant::now();
    for minutes in [0, 30, 59] {
        advance(secs(60 * minutes) - start.elapsed()).await;
        assert!(outlives_strangers(&client, &layer).await, "idle for a while, after {minutes} minutes");
        assert!(client.clone().oneshot(KEY).await.unwrap_err().is_rate_limited(), "after {minutes} minutes");
        assert!(outlives_strangers(&client, &layer).await, "just used, after {minutes} minutes");
    }
    advance(secs(7_199) - start.elapsed()).await;
    assert!(outlives_strangers(&client, &layer).await, "one of the two is back");
    advance(secs(1)).await;
    assert!(!outlives_strangers(&client, &layer).await, "both are");
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_that_is_paused_is_kept_until_the_pause_is_over() {
    let any_key = two_an_hour();
    let layer = room_for_one(move |_| any_key.sibling());
    let client = ServiceBuilder::new().layer(layer.clone()).service(echo());
    client.clone().oneshot(KEY).await.unwrap();
    advance(secs(3600)).await;
    layer.get(&KEY).unwrap().layer().limit().pause_for(secs(1000));
    advance(secs(999)).await;
    assert!(outlives_strangers(&client, &layer).await);
    assert!(client.clone().oneshot(KEY).await.unwrap_err().is_rate_limited());
    advance(secs(1)).await;
    assert!(!outlives_strangers(&client, &layer).await);
}

#[tokio::test(start_paused = true)]
async fn a_rate_that_was_set_by_hand_is_kept() {
    let any_key = two_an_hour();
    let layer = room_for_one(move |_| any_key.sibling());
    let client = ServiceBuilder::new().layer(layer.clone()).service(echo());
    client.clone().oneshot(KEY).await.unwrap();
    layer.get(&KEY).unwrap().layer().limit().set(Rate::per_second(1).burst(1).unwrap());
    advance(secs(7200)).await;
    assert!(outlives_strangers(&client, &layer).await);
}

#[test]
fn a_rate_limit_of_which_nothing_is_used_need_not_be_kept() {
    let limit = RateLimit::new(Rate::every(secs(3600)).burst(2).unwrap());
    assert_eq!(limit.keep(), Keep::No);
    limit.set(Rate::per_second(1).burst(1).unwrap());
    assert_eq!((limit.keep(), limit.sibling().keep()), (Keep::Yes, Keep::No));
}

/// Of even keys all fails.
fn odd_is_well() -> impl Service<u32, Response = u32, Error = Error, Future: Send> + Clone {
    service_fn(|key: u32| async move { if key % 2 == 0 { Err(Error::Service("overloaded")) } else { Ok(key) } })
}

async fn fails_once(client: impl Service<u32, Response = u32, Error = Error>) {
    assert_eq!(client.oneshot(0).await, Err(Error::Service("overloaded")));
}

#[tokio::test(start_paused = true)]
async fn a_throttle_that_rejects_is_kept_until_its_window_has_passed() {
    let any_key = Throttle::builder("any key").minimum_calls(1).window(secs(600)).build().unwrap();
    let layer = room_for_one(move |key| ThrottleLayer::new(any_key.sibling(format!("key {key}")), ErrorsOnly));
    let client = ServiceBuilder::new().layer(layer.clone()).service(echo());
    client.clone().oneshot(KEY).await.unwrap();
    let throttle = layer.get(&KEY).unwrap().layer().throttle().clone();
    fails_once(ThrottleLayer::new(throttle.clone(), ErrorsOnly).layer(odd_is_well())).await;
    assert!(throttle.reject_ratio() == 0.0, "one of two was accepted");
    fails_once(ThrottleLayer::new(throttle.clone(), ErrorsOnly).layer(odd_is_well())).await;
    assert!(throttle.reject_ratio() > 0.0);
    assert!(outlives_strangers(&client, &layer).await);
    advance(secs(500)).await;
    assert!(outlives_strangers(&client, &layer).await, "idle, and it rejects still");
    advance(secs(100)).await;
    assert!(!outlives_strangers(&client, &layer).await);
}

#[tokio::test(start_paused = true)]
async fn a_throttle_that_has_seen_failures_and_rejects_nothing_is_kept_until_it_is_idle() {
    let any_key = Throttle::builder("any key").window(secs(600)).build().unwrap();
    let layer = room_for_one(move |key| ThrottleLayer::new(any_key.sibling(format!("key {key}")), ErrorsOnly));
    let client = ServiceBuilder::new().layer(layer.clone()).service(echo());
    client.clone().oneshot(KEY).await.unwrap();
    let throttle = layer.get(&KEY).unwrap().layer().throttle().clone();
    fails_once(ThrottleLayer::new(throttle.clone(), ErrorsOnly).layer(odd_is_well())).await;
    assert!(outlives_strangers(&client, &layer).await);
    advance(MAX_IDLE + secs(1)).await;
    assert!(!outlives_strangers(&client, &layer).await);
    assert_eq!(throttle.tally().failures, 1, "in the window still");
}

#[tokio::test(start_paused = true)]
async fn a_throttle_whose_upstream_accepted_all_goes_for_a_stranger() {
    let any_key = Throttle::builder("any key").minimum_calls(1).build().unwrap();
    let layer = room_for_one(move |key| ThrottleLayer::new(any_key.sibling(format!("key {key}")), ErrorsOnly));
    let client = ServiceBuilder::new().layer(layer.clone()).service(echo());
    client.clone().oneshot(KEY).await.unwrap();
    assert!(!outlives_strangers(&client, &layer).await);
}

/// The upstream asks for less of `KEY`, and of no other key.
fn asks_for_less() -> impl Classify<u32, Error> + Clone {
    rules_fn(|result: Result<&u32, &Error>| match result {
        Ok(&KEY) => Verdict::throttled(None),
        _ => Verdict::Success,
    })
}

fn twenty<R>(rules: R) -> AdaptiveBulkheadLayer<R> {
    BulkheadLayer::new(20).expect("valid").adapt(Adapt::between(1, 200).expect("valid"), rules)
}

/// A window of ten responses, after which the limit is two less.
async fn window<C: Service<u32, Response = u32, Error = Error> + Clone>(client: &C) {
    for number in 1..=10 {
        if number == 10 {
            advance(secs(1)).await;
        }
        assert_eq!(client.clone().oneshot(KEY).await, Ok(KEY));
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_was_learned_is_kept_until_it_is_idle() {
    let any_key = twenty(asks_for_less());
    let layer = room_for_one(move |_| any_key.sibling());
    let client = ServiceBuilder::new().layer(layer.clone()).service(echo());
    window(&client).await;
    assert!(outlives_strangers(&client, &layer).await);
    assert_eq!(layer.get(&KEY).unwrap().layer().semaphore().limit(), 18);
    advance(MAX_IDLE + secs(1)).await;
    assert!(!outlives_strangers(&client, &layer).await);
    client.clone().oneshot(KEY).await.unwrap();
    assert!(!outlives_strangers(&client, &layer).await, "at its first limit it goes for a stranger");
}

#[tokio::test(start_paused = true)]
async fn an_adaptive_bulkhead_with_a_request_in_flight_or_resized_by_hand_is_kept_however_long_it_is_idle() {
    let any_key = twenty(asks_for_less());
    let layer = room_for_one(move |_| any_key.sibling());
    let client = ServiceBuilder::new().layer(layer.clone()).service(echo());
    window(&client).await;
    // Not by the client, so that nothing but the permit keeps it.
    let hangs = service_fn(|_: u32| std::future::pending::<Result<u32, Error>>());
    let mut call = task::spawn(layer.get(&KEY).unwrap().layer().layer(hangs).oneshot(KEY));
    assert_pending!(call.poll());
    for _ in 0..2 {
        assert!(outlives_strangers(&client, &layer).await);
        advance(MAX_IDLE + secs(1)).await;
    }
    drop(call);
    layer.get(&KEY).unwrap().layer().semaphore().resize(5).unwrap();
    for _ in 0..2 {
        assert!(outlives_strangers(&client, &layer).await);
        advance(MAX_IDLE + secs(1)).await;
    }
    // What is learned after it is no longer by hand.
    window(&client).await;
    assert_eq!(layer.get(&KEY).unwrap().layer().semaphore().limit(), 16);
    assert!(outlives_strangers(&client, &layer).await);
    advance(MAX_IDLE + secs(1)).await;
    assert!(!outlives_strangers(&client, &layer).await);
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_moved_into_its_bounds_at_the_start_is_as_new() {
    let layer = BulkheadLayer::new(2).unwrap().queue().adapt(Adapt::between(5, 10).unwrap(), ErrorsOnly);
    assert_eq!(layer.layer(Bottom).keep(), Keep::No);
    assert_eq!(layer.sibling().adapted_limit(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_only_observed_is_kept_until_it_is_idle() {
    let layer = BulkheadLayer::new(20).unwrap();
    let layer = layer.adapt(Adapt::between(1, 200).unwrap().observe_only(), asks_for_less());
    window(&layer.layer(echo())).await;
    assert_eq!((layer.semaphore().limit(), layer.adapted_limit()), (20, 18));
    assert_eq!(layer.layer(Bottom).keep(), Keep::UntilIdle);
    layer.semaphore().resize(30).unwrap();
    assert_eq!(layer.layer(Bottom).keep(), Keep::Yes);
}

/// What a layer wraps.
#[derive(Clone)]
struct Wrapped(Keep);

impl Evict for Wrapped {
    fn keep(&self) -> Keep {
        self.0
    }
}

fn verify<R>() -> VerifyLayer<ErrorsOnly, R, ()> {
    VerifyLayer::new(ErrorsOnly, |_, _| async { Ok::<_, std::io::Error>(Verified::NotApplied) })
}

#[test]
fn a_layer_speaks_for_what_it_wraps() {
    fn check(layer: impl Layer<Wrapped, Service: Evict>) {
        for keep in [Keep::No, Keep::UntilIdle, Keep::Yes] {
            assert_eq!(layer.layer(Wrapped(keep)).keep(), keep);
        }
    }
    check(two_an_hour());
    check(ThrottleLayer::new(Throttle::builder("any key").build().unwrap(), ErrorsOnly));
    check(twenty(ErrorsOnly));
    check(twenty(ErrorsOnly).until_body_end());
    check(verify::<u32>());
    check(DeadLetterLayer::new(ErrorsOnly, ()));
    check(ProgressTimeoutLayer::new());
    check(IdempotencyKeyLayer::new());
}

#[tokio::test(start_paused = true)]
async fn all_layers_of_a_request_are_made_once_for_each_host() {
    type Request = http::Request<String>;
    let (rules, limit) = (Circuit::builder("any host").build().unwrap(), two_an_hour());
    let (throttle, bulkhead) = (Throttle::builder("any host").build().unwrap(), twenty(Http));
    let policy = RetryPolicy::builder().build().unwrap();
    let (letters, _mailbox) = tokio::sync::mpsc::channel(1);
    let layer = PerKeyLayer::new(16, authority::<Request>, move |host: &String| {
        let verify = VerifyLayer::new(Http, |_: Request, _| async {
            Ok::<_, std::io::Error>(Verified::<Response<String>>::NotApplied)
        });
        ServiceBuilder::new()
            .layer(IdempotencyKeyLayer::new())
            .layer(DeadLetterLayer::new(Http, letters.clone()))
            .layer(RetryLayer::new(policy.sibling(), Http))
            .layer(verify)
            .layer(ThrottleLayer::new(throttle.sibling(host.as_str()), Http))
            .layer(CircuitBreakerLayer::new(rules.sibling(host.as_str()), Http))
            .layer(limit.sibling())
            .layer(bulkhead.sibling())
            .into_inner()
    })
    .unwrap();
    let client = ServiceBuilder::new()
        .layer(layer.clone())
        .map_err(windbreak::Error::Service)
        .service(service_fn(|_: Request| async { Ok::<_, std::io::Error>(Response::new(String::new())) }));
    let get = |host: &str| http::Request::get(format!("http://{host}/")).body(String::new()).expect("a good URL");
    for _ in 0..2 {
        assert_ready_ok!(task::spawn(client.clone().oneshot(get("one"))).poll());
    }
    let error = client.clone().oneshot(get("one")).await.unwrap_err();
    assert!(error.is_rate_limited());
    client.oneshot(get("another")).await.unwrap();
    assert_eq!(layer.keys(), 2);
}
