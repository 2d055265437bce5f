//! Each key has a layer of its own, which can be looked up and listed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tower::{ServiceBuilder, ServiceExt, service_fn};
use windbreak::retry::RetryBudget;
use windbreak::rules::ErrorsOnly;
use windbreak::{BulkheadLayer, Error, PerKeyLayer, RetryLayer, RetryPolicy};

use super::helpers::{ask, client, echo, open_circuit};

#[tokio::test(start_paused = true)]
async fn what_happens_to_one_key_does_not_touch_another() {
    let (client, made) = client(100, Duration::MAX);
    assert_eq!(ask(&client, 2).await, Err(Error::Service("down")));
    assert_eq!(open_circuit(&ask(&client, 12).await.unwrap_err()), "digit 2");
    assert_eq!(ask(&client, 3).await, Ok(3));
    assert_eq!(ask(&client, 13).await, Ok(13));
    assert_eq!(made.load(Ordering::Relaxed), 2);
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

#[test]
fn no_keys_at_all_is_an_error() {
    let error = PerKeyLayer::new(0, |key: &u32| *key, |_| BulkheadLayer::new(1).expect("valid")).unwrap_err();
    assert_eq!(error.to_string(), "`max_keys` is 0; it must be at least 1");
}
