//! Dead letters, reconciliation, and the switches.

use payments::domain::{Key, Provider, State, Why};
use payments::gateway::Charge;
use payments::provider::Condition;
use payments::storage::{Change, Changed, Storage};

use crate::databases::facts;
use crate::shop::{Stage, new_order, numbers};

facts![
    a_letter_is_replayed_once_and_under_a_new_key,
    a_letter_that_cannot_be_verified_stays,
    a_letter_of_an_order_that_went_on_is_closed,
    both_sides_that_agree_are_left_alone,
    a_charge_of_a_failed_order_is_given_back,
    what_nobody_may_repair_is_listed_for_a_person_once,
    a_switch_survives_a_restart,
    a_switch_that_does_not_exist_is_named,
];

async fn with_a_letter<S: Storage>(stage: &Stage<S>) {
    stage.providers.iter().for_each(|provider| provider.set_condition(Condition::Dead));
    assert_eq!(stage.shop.place(new_order("a")).await.status(), 503);
    stage.providers.iter().for_each(|provider| provider.set_condition(Condition::Up));
}

async fn a_letter_is_replayed_once_and_under_a_new_key<S: Storage>(storage: S) {
    let stage = Stage::new(storage.clone()).await;
    with_a_letter(&stage).await;
    assert_eq!(stage.shop.replay().await.unwrap().completed, 1);
    assert_eq!(stage.shop.replay().await.unwrap(), payments::service::Replayed::default());
    assert_eq!((stage.charged(), stage.quota().await.used, stage.order("a").await.attempt), (1_250, 3, 2));
    assert_eq!(storage.open_letters().await, Ok(vec![]));
}

async fn a_letter_that_cannot_be_verified_stays<S: Storage>(storage: S) {
    let stage = Stage::new(storage.clone()).await;
    with_a_letter(&stage).await;
    stage.providers[1].set_condition(Condition::Failing);
    assert_eq!(stage.shop.replay().await.unwrap().left, 1);
    assert_eq!((stage.charged(), storage.open_letters().await.unwrap().len()), (0, 1));
}

async fn a_letter_of_an_order_that_went_on_is_closed<S: Storage>(storage: S) {
    let stage = Stage::new(storage).await;
    with_a_letter(&stage).await;
    assert_eq!(stage.shop.place(new_order("a")).await.status(), 201);
    assert_eq!(stage.shop.replay().await.unwrap().settled, 1);
    assert_eq!(stage.charged(), 1_250);
}

async fn both_sides_that_agree_are_left_alone<S: Storage>(storage: S) {
    let stage = Stage::new(storage.clone()).await;
    stage.shop.place(new_order("a")).await;
    stage.providers[0].set_condition(Condition::Dead);
    stage.shop.place(new_order("b")).await;
    stage.providers[0].set_condition(Condition::Up);
    let done = stage.shop.reconcile().await.unwrap();
    assert_eq!((done.orders, done.payments), (2, 2));
    assert_eq!((done.settled, done.voided, done.for_a_person, done.left), (0, 0, 0, 0));
    assert_eq!(stage.charged(), 2 * 1_250);
}

async fn a_charge_of_a_failed_order_is_given_back<S: Storage>(storage: S) {
    let stage = Stage::new(storage.clone()).await;
    let new = Change::new_order(&new_order("a"), numbers().sweep_after);
    storage.place(&new).await.unwrap();
    stage.shop.sweep("a.1").await.unwrap();
    assert_eq!(stage.state("a").await, State::Failed(Why::NeverSent));
    // A bug of yesterday has charged it all the same.
    let key = Key { order: "a".to_owned(), attempt: 1 };
    stage.shop.gateway().client(Provider::Beta).charge(Charge { key, cents: 1_250 }).await.unwrap();
    assert_eq!(stage.charged(), 1_250);
    assert_eq!(stage.shop.reconcile().await.unwrap().voided, 1);
    assert_eq!(stage.charged(), 0);
    assert_eq!(stage.shop.reconcile().await.unwrap().voided, 0);
}

async fn what_nobody_may_repair_is_listed_for_a_person_once<S: Storage>(storage: S) {
    let stage = Stage::new(storage.clone()).await;
    let new = Change::new_order(&new_order("a"), numbers().sweep_after);
    storage.place(&new).await.unwrap();
    let paid = State::Completed { at: Provider::Alpha, receipt: "r1".to_owned() };
    let change = Change::of(new.after, paid, "by hand".to_owned(), numbers().sweep_after);
    assert_eq!(storage.change(&change).await, Ok(Changed::Done));
    let key = Key { order: "none".to_owned(), attempt: 1 };
    stage.shop.gateway().client(Provider::Beta).charge(Charge { key, cents: 5 }).await.unwrap();
    for _ in 0..2 {
        assert_eq!(stage.shop.reconcile().await.unwrap().for_a_person, 2);
    }
    let listed: Vec<String> = storage.for_a_person().await.unwrap().into_iter().map(|(order, _)| order).collect();
    assert_eq!(listed, ["a", "none.1"]);
    assert_eq!(stage.charged(), 5, "nothing is taken or given back");
}

async fn a_switch_survives_a_restart<S: Storage>(storage: S) {
    let stage = Stage::new(storage.clone()).await;
    stage.shop.switch("prefer", "beta").await.unwrap();
    let again = Stage::shop(&storage, &stage.providers);
    again.restore_switches().await.unwrap();
    again.place(new_order("a")).await;
    assert!(matches!(stage.state("a").await, State::Completed { at: Provider::Beta, .. }));
}

async fn a_switch_that_does_not_exist_is_named<S: Storage>(storage: S) {
    let stage = Stage::new(storage.clone()).await;
    let error = stage.shop.switch("gamma", "off").await.unwrap_err();
    assert!(error.to_string().contains("gamma"), "{error}");
    assert_eq!(storage.switches().await, Ok(vec![]));
}
