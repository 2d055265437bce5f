//! A new key takes the room of one that protects nothing: which key goes, and which is never evicted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{advance, sleep};
use tower::{ServiceBuilder, ServiceExt, service_fn};
use windbreak::circuit_breaker::State;
use windbreak::rules::ErrorsOnly;
use windbreak::{BulkheadLayer, Circuit, Error, HedgeLayer, PerKeyLayer};

use super::helpers::{ask, breakers, client, echo, odd_is_well};

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
