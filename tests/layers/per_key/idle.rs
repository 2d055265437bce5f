//! A key that nobody asks for is forgotten once it protects nothing, by the requests for other keys.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{advance, sleep};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
use windbreak::circuit_breaker::State;
use windbreak::rules::ErrorsOnly;
use windbreak::{BulkheadLayer, Circuit, CircuitBreakerLayer, Error, PerKeyLayer};

use super::helpers::{ask, breakers, echo, odd_is_well};

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
