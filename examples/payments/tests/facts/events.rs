//! Events: at least once, in order for each order, and what nobody can read is parked.

use payments::audit::Facts;
use payments::domain::Event;
use payments::storage::Storage;
use windbreak::outbox::{Message, Store as _};

use crate::databases::facts;
use crate::shop::{Stage, new_order};

facts![
    every_event_of_an_order_is_delivered_in_order,
    a_message_that_no_version_can_read_is_parked_and_the_rest_is_delivered,
    what_is_parked_can_be_delivered_again,
];

async fn every_event_of_an_order_is_delivered_in_order<S: Storage>(storage: S) {
    let stage = Stage::new(storage).await;
    for id in ["a", "b", "c"] {
        stage.shop.place(new_order(id)).await;
    }
    stage.relay().await;
    let events = stage.receiver.events();
    for id in ["a", "b", "c"] {
        let of_it: Vec<_> =
            events.iter().filter(|event| event.order == id).map(|event| (event.number, event.kind.as_str())).collect();
        assert_eq!(of_it, [(1, "placed"), (2, "completed")]);
    }
}

async fn a_message_that_no_version_can_read_is_parked_and_the_rest_is_delivered<S: Storage>(storage: S) {
    let stage = Stage::new(storage.clone()).await;
    let newer = Event { format: 9, order: "y".to_owned(), number: 1, kind: "placed".to_owned(), cents: 1 };
    let outbox = storage.events();
    outbox.insert(&Message::new("x#1").topic("x").payload("{")).await.unwrap();
    let payload = serde_json::to_vec(&newer).unwrap();
    outbox.insert(&Message::new("y#1").topic("y").payload(payload)).await.unwrap();
    stage.shop.place(new_order("a")).await;
    stage.relay().await;
    assert_eq!(stage.receiver.events().len(), 2);
    let mut parked = Facts::parked(&storage).await.unwrap();
    parked.sort();
    assert_eq!(parked.len(), 2, "{parked:?}");
    assert_eq!((parked[0].0.as_str(), parked[1].0.as_str()), ("x", "y"));
}

async fn what_is_parked_can_be_delivered_again<S: Storage>(storage: S) {
    let stage = Stage::new(storage.clone()).await;
    let outbox = storage.events();
    outbox.insert(&Message::new("x#1").topic("x").payload("{")).await.unwrap();
    stage.relay().await;
    assert!(outbox.unpark("x#1").await.unwrap());
    stage.relay().await;
    assert_eq!(outbox.parked(0, 10).await.unwrap().len(), 1, "it is looked at again, and parked again");
}
