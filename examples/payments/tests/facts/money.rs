//! Orders through the whole shop.

use bytes::Bytes;
use http::{Request, Response};
use payments::domain::{Key, Provider, State, Why};
use payments::gateway::{Found, Wire, WireError};
use payments::provider::{Condition, Standing, Weather};
use payments::service::{Reply, Shop};
use payments::simulation::Line;
use payments::storage::Storage;

use crate::databases::facts;
use crate::shop::{Stage, new_order, numbers};

facts![
    a_charge_completes_the_order,
    a_repeat_under_the_same_id_charges_nothing,
    another_order_under_the_same_id_is_refused,
    an_order_without_quota_is_refused_and_not_charged,
    a_dead_provider_sends_the_order_to_the_other_one,
    with_both_dead_the_order_fails_and_its_quota_comes_back,
    what_failed_is_tried_again_under_a_new_key,
    every_fault_ends_in_one_charge_or_in_none,
    a_silent_provider_leaves_the_order_to_the_sweep,
    a_panic_in_the_call_leaves_the_order_to_the_sweep,
    no_connection_is_held_while_a_provider_is_called,
];

async fn a_charge_completes_the_order<S: Storage>(storage: S) {
    let stage = Stage::new(storage).await;
    let reply = stage.shop.place(new_order("a")).await;
    assert!(matches!(&reply, Reply::Completed(order) if order.events == 2), "{reply:?}");
    assert_eq!((stage.charged(), stage.quota().await.used), (1_250, 3));
}

async fn a_repeat_under_the_same_id_charges_nothing<S: Storage>(storage: S) {
    let stage = Stage::new(storage).await;
    stage.shop.place(new_order("a")).await;
    assert_eq!(stage.shop.place(new_order("a")).await.status(), 201);
    assert_eq!((stage.charged(), stage.quota().await.used), (1_250, 3));
    assert_eq!(stage.providers[0].calls().all, 1);
}

async fn another_order_under_the_same_id_is_refused<S: Storage>(storage: S) {
    let stage = Stage::new(storage).await;
    stage.shop.place(new_order("a")).await;
    let mut other = new_order("a");
    other.cents += 1;
    assert_eq!(stage.shop.place(other).await, Reply::Conflict);
    assert_eq!(stage.charged(), 1_250);
}

async fn an_order_without_quota_is_refused_and_not_charged<S: Storage>(storage: S) {
    let stage = Stage::new(storage).await;
    for id in ["a", "b", "c"] {
        assert_eq!(stage.shop.place(new_order(id)).await.status(), 201);
    }
    let reply = stage.shop.place(new_order("d")).await;
    assert_eq!((&reply, reply.status()), (&Reply::NoQuota, 403));
    assert_eq!((stage.charged(), stage.quota().await.used), (3 * 1_250, 9));
}

async fn a_dead_provider_sends_the_order_to_the_other_one<S: Storage>(storage: S) {
    let stage = Stage::new(storage).await;
    stage.providers[0].set_condition(Condition::Dead);
    let reply = stage.shop.place(new_order("a")).await;
    let Reply::Completed(order) = reply else { panic!("{reply:?}") };
    assert!(matches!(order.state, State::Completed { at: Provider::Beta, .. }));
    assert_eq!(stage.charged(), 1_250);
}

async fn with_both_dead_the_order_fails_and_its_quota_comes_back<S: Storage>(storage: S) {
    let stage = Stage::new(storage.clone()).await;
    stage.providers.iter().for_each(|provider| provider.set_condition(Condition::Dead));
    let reply = stage.shop.place(new_order("a")).await;
    assert_eq!(reply.status(), 503);
    assert_eq!(stage.state("a").await, State::Failed(Why::Unavailable));
    assert_eq!(stage.quota().await.used, 0);
    let letters = storage.open_letters().await.unwrap();
    assert_eq!((letters.len(), letters[0].must_be_verified), (1, false));
}

async fn what_failed_is_tried_again_under_a_new_key<S: Storage>(storage: S) {
    let stage = Stage::new(storage).await;
    stage.providers.iter().for_each(|provider| provider.set_condition(Condition::Dead));
    stage.shop.place(new_order("a")).await;
    stage.providers.iter().for_each(|provider| provider.set_condition(Condition::Up));
    assert_eq!(stage.shop.place(new_order("a")).await.status(), 201);
    let order = stage.order("a").await;
    // Placed, failed, placed again, completed.
    assert_eq!((order.attempt, order.events, stage.quota().await.used), (2, 4, 3));
    let books = stage.providers[0].books();
    assert_eq!(books.all().map(|(key, _)| key.to_owned()).collect::<Vec<_>>(), ["a.2"]);
}

/// Each fault by itself, at a rate of one: the order is charged once or not at all, and the row says which.
async fn every_fault_ends_in_one_charge_or_in_none<S: Storage>(storage: S) {
    let stage = Stage::new(storage.clone()).await;
    storage.set_quota("c", 1_000).await.unwrap();
    let rough = Weather { fault_ratio: 1.0, question_fault_ratio: 0.0 };
    stage.providers.iter().for_each(|provider| provider.set_weather(rough));
    for index in 0..40 {
        stage.shop.place(new_order(&format!("a{index}"))).await;
    }
    stage.relay().await;
    // What arrives late.
    tokio::time::sleep(std::time::Duration::from_millis(4_200)).await;
    stage.relay().await;
    let orders = storage.orders().await.unwrap();
    assert!(orders.iter().all(|order| order.state.is_final()), "{orders:?}");
    let completed = orders.iter().filter(|order| matches!(order.state, State::Completed { .. })).count();
    assert_eq!(stage.charged(), completed as u64 * 1_250);
    assert_eq!(stage.quota().await.used, i64::try_from(completed).unwrap() * 3);
    assert!((10..40).contains(&completed), "{completed} of 40: too mild, or too rough");
}

async fn a_silent_provider_leaves_the_order_to_the_sweep<S: Storage>(storage: S) {
    let stage = Stage::new(storage).await;
    stage.providers[0].set_condition(Condition::Silent);
    let reply = stage.shop.place(new_order("a")).await;
    // Its effect is unknown: it goes to no other provider.
    assert_eq!(reply.status(), 202, "{reply:?}");
    assert_eq!(stage.state("a").await, State::Voiding(Provider::Alpha));
    assert_eq!(stage.providers[1].calls().all, 0);
    stage.providers[0].set_condition(Condition::Up);
    stage.shop.sweep("a.1").await.unwrap();
    assert_eq!(stage.state("a").await, State::Failed(Why::Voided));
    assert_eq!(stage.quota().await.used, 0);
    let closed = stage.providers[0].books().find("a.1").map(|payment| payment.standing);
    assert_eq!(closed, Some(Standing::Closed));
    let found = stage.shop.gateway().client(Provider::Alpha).find(&Key { order: "a".to_owned(), attempt: 1 }).await;
    assert_eq!(found, Ok(Found::Closed));
}

/// Carries each request, and panics when the response is there.
#[derive(Debug, Clone)]
struct Panics(Line);

impl Wire for Panics {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, WireError> {
        let _ = self.0.send(request).await;
        panic!("a bug of the client")
    }
}

async fn a_panic_in_the_call_leaves_the_order_to_the_sweep<S: Storage>(storage: S) {
    let stage = Stage::new(storage.clone()).await;
    let wires = stage.providers.clone().map(|provider| Panics(Line(provider)));
    let shop = Shop::new(storage, wires, numbers()).unwrap();
    let reply = shop.place(new_order("a")).await;
    assert_eq!(reply.status(), 202, "{reply:?}");
    assert_eq!((stage.charged(), stage.quota().await.used), (1_250, 3));
    stage.shop.sweep("a.1").await.unwrap();
    assert!(matches!(stage.state("a").await, State::Completed { .. }));
}

async fn no_connection_is_held_while_a_provider_is_called<S: Storage>(storage: S) {
    let stage = Stage::new(storage).await;
    for id in ["a", "b", "c"] {
        stage.shop.place(new_order(id)).await;
    }
    let calls = stage.providers[0].calls();
    assert_eq!((calls.all, calls.holding, calls.unseen), (3, 0, 0));
    // The gauge is not blind: who holds a connection is seen.
    let key = Key { order: "a".to_owned(), attempt: 1 };
    payments::gauge::observed(async {
        let held = payments::gauge::holding();
        let _ = stage.shop.gateway().client(Provider::Alpha).find(&key).await;
        drop(held);
    })
    .await;
    assert_eq!(stage.providers[0].calls().holding, 1);
}
