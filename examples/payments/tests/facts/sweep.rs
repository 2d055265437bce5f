//! What the sweep finds, and what it makes of it.

use payments::domain::{Key, News, Provider, State, Why};
use payments::provider::{Condition, Weather};
use payments::service::Unswept;
use payments::storage::{Change, Journal, Storage};

use crate::databases::facts;
use crate::shop::{Stage, new_order, numbers};

facts![
    what_was_paid_is_completed,
    what_is_not_found_is_voided_and_fails,
    what_was_never_sent_fails,
    what_is_still_in_processing_waits,
    a_provider_that_does_not_answer_is_asked_again,
    an_amount_that_differs_is_put_before_a_person,
    the_relay_brings_what_a_crash_left_behind,
];

/// An order that a crash left at Alpha, before anything was heard of it.
async fn left_behind<S: Storage>(stage: &Stage<S>, id: &str) {
    let new = Change::new_order(&new_order(id), numbers().sweep_after);
    stage.storage.place(&new).await.unwrap();
    let journal = Journal::new(stage.storage.clone(), numbers().sweep_after);
    journal.tell(&Key::of(&new.after), &News::Sending(Provider::Alpha), "test").await.unwrap();
}

async fn charge<S: Storage>(stage: &Stage<S>, id: &str, cents: u64) {
    let key = Key { order: id.to_owned(), attempt: 1 };
    let client = stage.shop.gateway().client(Provider::Alpha);
    let _ = client.charge(payments::gateway::Charge { key, cents }).await;
}

async fn what_was_paid_is_completed<S: Storage>(storage: S) {
    let stage = Stage::new(storage).await;
    left_behind(&stage, "a").await;
    charge(&stage, "a", 1_250).await;
    stage.shop.sweep("a.1").await.unwrap();
    assert!(matches!(stage.state("a").await, State::Completed { at: Provider::Alpha, .. }));
}

async fn what_is_not_found_is_voided_and_fails<S: Storage>(storage: S) {
    let stage = Stage::new(storage).await;
    left_behind(&stage, "a").await;
    stage.shop.sweep("a.1").await.unwrap();
    assert_eq!(stage.state("a").await, State::Failed(Why::Voided));
    // The lost request arrives after all.
    charge(&stage, "a", 1_250).await;
    assert_eq!((stage.charged(), stage.quota().await.used), (0, 0));
}

async fn what_was_never_sent_fails<S: Storage>(storage: S) {
    let stage = Stage::new(storage.clone()).await;
    storage.place(&Change::new_order(&new_order("a"), numbers().sweep_after)).await.unwrap();
    stage.shop.sweep("a.1").await.unwrap();
    assert_eq!(stage.state("a").await, State::Failed(Why::NeverSent));
    assert_eq!(stage.quota().await.used, 0);
}

async fn what_is_still_in_processing_waits<S: Storage>(storage: S) {
    let stage = Stage::new(storage).await;
    let rough = Weather { fault_ratio: 1.0, question_fault_ratio: 0.0 };
    let mut waited = 0;
    stage.storage.set_quota("c", 1_000).await.unwrap();
    for index in 0..40 {
        let id = format!("a{index}");
        left_behind(&stage, &id).await;
        stage.providers[0].set_weather(rough);
        let key = Key { order: id.clone(), attempt: 1 };
        let client = stage.shop.gateway().client(Provider::Alpha);
        let asked = client.charge(payments::gateway::Charge { key, cents: 1_250 });
        let answer = tokio::time::timeout(std::time::Duration::from_millis(20), asked).await;
        stage.providers[0].set_weather(Weather::CALM);
        if let Ok(Ok(payments::gateway::Answer::Processing { .. })) = answer {
            assert_eq!(stage.shop.sweep(&format!("{id}.1")).await, Err(Unswept::Processing));
            assert_eq!(stage.state(&id).await, State::Pending(Some(Provider::Alpha)));
            waited += 1;
        }
    }
    assert!(waited > 0, "no payment of 40 was in processing");
}

async fn a_provider_that_does_not_answer_is_asked_again<S: Storage>(storage: S) {
    let stage = Stage::new(storage).await;
    left_behind(&stage, "a").await;
    charge(&stage, "a", 1_250).await;
    stage.providers[0].set_condition(Condition::Failing);
    assert!(matches!(stage.shop.sweep("a.1").await, Err(Unswept::Provider(_))));
    assert_eq!(stage.state("a").await, State::Pending(Some(Provider::Alpha)));
    stage.providers[0].set_condition(Condition::Up);
    stage.relay().await;
    assert!(matches!(stage.state("a").await, State::Completed { .. }));
}

async fn an_amount_that_differs_is_put_before_a_person<S: Storage>(storage: S) {
    let stage = Stage::new(storage.clone()).await;
    left_behind(&stage, "a").await;
    charge(&stage, "a", 1_249).await;
    assert!(matches!(stage.shop.sweep("a.1").await, Err(Unswept::Contradiction(_))));
    assert_eq!(stage.state("a").await, State::Pending(Some(Provider::Alpha)));
    let listed = storage.for_a_person().await.unwrap();
    assert_eq!(listed, [("a".to_owned(), "another amount was charged".to_owned())]);
}

async fn the_relay_brings_what_a_crash_left_behind<S: Storage>(storage: S) {
    let stage = Stage::new(storage).await;
    for id in ["a", "b", "c"] {
        left_behind(&stage, id).await;
    }
    charge(&stage, "b", 1_250).await;
    stage.relay().await;
    assert_eq!(stage.state("a").await, State::Failed(Why::Voided));
    assert!(matches!(stage.state("b").await, State::Completed { .. }));
    assert_eq!((stage.charged(), stage.quota().await.used), (1_250, 3));
    let kinds: Vec<_> = stage.receiver.events().into_iter().map(|event| (event.order, event.kind)).collect();
    assert_eq!(kinds.len(), 6);
    assert_eq!(stage.receiver.out_of_order(), Vec::<String>::new());
}
