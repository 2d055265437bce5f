//! Transactions: all of an order or nothing of it, and one change of each version.

use payments::domain::{Key, News, Provider, State, Why};
use payments::storage::{Change, Changed, Journal, Placed, Storage};
use windbreak::outbox::{ParkedHead, Store as _};

use crate::databases::facts;
use crate::shop::{Stage, new_order, numbers};

facts![
    an_order_its_quota_and_its_messages_are_written_together,
    without_quota_nothing_is_written,
    the_same_id_is_one_order,
    an_older_version_changes_nothing,
    every_state_is_read_as_it_was_written,
    when_two_fail_an_order_its_quota_comes_back_once,
    of_answer_callback_and_sweep_one_settles_the_order,
];

fn change(id: &str) -> Change {
    Change::new_order(&new_order(id), numbers().sweep_after)
}

async fn an_order_its_quota_and_its_messages_are_written_together<S: Storage>(storage: S) {
    let stage = Stage::new(storage.clone()).await;
    let change = change("a");
    assert_eq!(storage.place(&change).await, Ok(Placed::New));
    assert_eq!(stage.order("a").await, change.after);
    assert_eq!(stage.quota().await.used, 3);
    assert_eq!(storage.history("a").await.unwrap().len(), 1);
    assert!(storage.events().next_due(ParkedHead::Blocks).await.unwrap().is_some());
    assert!(storage.sweeps().next_due(ParkedHead::Blocks).await.unwrap().is_some());
}

async fn without_quota_nothing_is_written<S: Storage>(storage: S) {
    let stage = Stage::new(storage.clone()).await;
    storage.set_quota("c", 2).await.unwrap();
    assert_eq!(storage.place(&change("a")).await, Ok(Placed::NoQuota));
    assert_eq!(storage.order("a").await, Ok(None));
    assert_eq!(stage.quota().await.used, 0);
    assert_eq!(storage.history("a").await, Ok(vec![]));
    assert_eq!(storage.events().next_due(ParkedHead::Blocks).await.unwrap(), None);
    assert_eq!(storage.sweeps().next_due(ParkedHead::Blocks).await.unwrap(), None);
}

async fn the_same_id_is_one_order<S: Storage>(storage: S) {
    let stage = Stage::new(storage.clone()).await;
    let change = change("a");
    assert_eq!(storage.place(&change).await, Ok(Placed::New));
    assert_eq!(storage.place(&change).await, Ok(Placed::Known(change.after)));
    assert_eq!(stage.quota().await.used, 3);
}

async fn an_older_version_changes_nothing<S: Storage>(storage: S) {
    let stage = Stage::new(storage.clone()).await;
    storage.place(&change("a")).await.unwrap();
    let old = stage.order("a").await;
    let to = |state| Change::of(old.clone(), state, String::new(), numbers().sweep_after);
    let sending = to(State::Pending(Some(Provider::Alpha)));
    assert_eq!(storage.change(&sending).await, Ok(Changed::Done));
    assert_eq!(storage.change(&to(State::Failed(Why::Voided))).await, Ok(Changed::Stale));
    assert_eq!(stage.order("a").await, sending.after);
    assert_eq!(stage.quota().await.used, 3);
}

async fn every_state_is_read_as_it_was_written<S: Storage>(storage: S) {
    let stage = Stage::new(storage.clone()).await;
    storage.place(&change("a")).await.unwrap();
    let mut states = vec![State::Pending(Some(Provider::Beta)), State::Voiding(Provider::Alpha)];
    states.extend(Why::ALL.map(State::Failed));
    states.extend([
        State::Completed { at: Provider::Beta, receipt: "r7".to_owned() },
        State::Completed { at: Provider::Alpha, receipt: String::new() },
    ]);
    for state in states {
        let change = Change::of(stage.order("a").await, state, String::new(), numbers().sweep_after);
        assert_eq!(storage.change(&change).await, Ok(Changed::Done));
        assert_eq!(stage.order("a").await, change.after);
        assert_eq!(storage.orders().await, Ok(vec![change.after]));
    }
}

async fn when_two_fail_an_order_its_quota_comes_back_once<S: Storage>(storage: S) {
    let stage = Stage::new(storage.clone()).await;
    let journal = Journal::new(storage.clone(), numbers().sweep_after);
    for round in 0..10 {
        let new = change(&format!("a{round}"));
        storage.place(&new).await.unwrap();
        let key = Key::of(&new.after);
        let tell = || journal.tell(&key, &News::NothingApplied, "test");
        let told = tokio::join!(tell(), tell(), tell());
        assert!(told.0.unwrap().stands() && told.1.unwrap().stands() && told.2.unwrap().stands());
        let order = stage.order(&key.order).await;
        assert_eq!((order.state, order.events), (State::Failed(Why::Unavailable), 2));
        assert_eq!(stage.quota().await.used, 0, "round {round}");
    }
}

async fn of_answer_callback_and_sweep_one_settles_the_order<S: Storage>(storage: S) {
    let stage = Stage::new(storage.clone()).await;
    let journal = Journal::new(storage.clone(), numbers().sweep_after);
    let at = Provider::Alpha;
    for round in 0..3 {
        let new = change(&format!("a{round}"));
        storage.place(&new).await.unwrap();
        let key = Key::of(&new.after);
        journal.tell(&key, &News::Sending(at), "test").await.unwrap();
        let charged = News::Charged { at, cents: 1_250, receipt: "r".to_owned() };
        let tell = |by| journal.tell(&key, &charged, by);
        let voiding = News::Voiding(at);
        let told = tokio::join!(tell("answer"), tell("callback"), journal.tell(&key, &voiding, "sweep"), tell("sweep"));
        let order = stage.order(&key.order).await;
        match order.state {
            State::Completed { .. } => assert!(!told.2.unwrap().stands(), "voiding after it was completed"),
            State::Voiding(_) => assert!(!told.0.unwrap().stands(), "completed while it is voided"),
            other => panic!("{other}"),
        }
        let changes = storage.history(&order.id).await.unwrap().len();
        assert_eq!(changes, 3, "placed, sent, and one of the four");
    }
}
