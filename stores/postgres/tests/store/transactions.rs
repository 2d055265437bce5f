use std::time::Duration;

use tokio::time::timeout;
use windbreak::outbox::{Claimed, Lease, ParkedHead, Settlement, Store, StoreError, postgres};
use windbreak_postgres::PostgresStore;

use crate::server::schema;
use crate::support::message;

const LEASE: Duration = Duration::from_secs(60);

async fn claim(store: &PostgresStore) -> Vec<Claimed> {
    store.claim(10, LEASE, ParkedHead::Blocks).await.expect("a claim")
}

async fn settle(store: &PostgresStore, claimed: &[Claimed]) {
    for claimed in claimed {
        assert_eq!(store.settle(&claimed.claim, &Settlement::Done).await.expect("an end"), Lease::Held);
    }
}

fn ids(claimed: &[Claimed]) -> Vec<&str> {
    claimed.iter().map(|claimed| claimed.message.id.as_str()).collect()
}

#[tokio::test]
async fn a_message_is_there_if_its_transaction_commits() {
    let Some(schema) = schema().await else { return };
    let store = schema.store().await;
    let mut client = schema.client().await;
    client.batch_execute("CREATE TABLE orders (id BIGINT PRIMARY KEY)").await.unwrap();

    let tx = client.transaction().await.unwrap();
    tx.execute("INSERT INTO orders VALUES (7)", &[]).await.unwrap();
    store.insert_in(&tx, &message("a/1")).await.unwrap();
    assert_eq!(claim(&store).await, []);
    tx.rollback().await.unwrap();
    assert_eq!(claim(&store).await, []);

    let tx = client.transaction().await.unwrap();
    tx.execute("INSERT INTO orders VALUES (7)", &[]).await.unwrap();
    store.insert_in(&tx, &message("a/1")).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(ids(&claim(&store).await), ["a/1"]);
}

/// It has the earlier place, and appears once the later one is done. "Greater than the last place" never finds it.
#[tokio::test]
async fn a_transaction_that_commits_late_is_not_overlooked() {
    let Some(schema) = schema().await else { return };
    let store = schema.store().await;
    let (mut early, mut late) = (schema.client().await, schema.client().await);

    let late = late.transaction().await.unwrap();
    store.insert_in(&late, &message("a/1")).await.unwrap();
    let early = early.transaction().await.unwrap();
    store.insert_in(&early, &message("a/2")).await.unwrap();
    early.commit().await.unwrap();
    let claimed = claim(&store).await;
    assert_eq!(ids(&claimed), ["a/2"]);
    settle(&store, &claimed).await;
    assert_eq!(claim(&store).await, []);

    late.commit().await.unwrap();
    let claimed = claim(&store).await;
    assert_eq!(ids(&claimed), ["a/1"]);
    settle(&store, &claimed).await;
    assert_eq!(claim(&store).await, []);
}

#[tokio::test]
async fn one_that_commits_late_waits_for_what_is_in_flight_in_its_topic() {
    let Some(schema) = schema().await else { return };
    let store = schema.store().await;
    let mut late = schema.client().await;

    let late = late.transaction().await.unwrap();
    store.insert_in(&late, &message("a/1")).await.unwrap();
    store.insert(&message("a/2")).await.unwrap();
    let in_flight = claim(&store).await;
    assert_eq!(ids(&in_flight), ["a/2"]);
    late.commit().await.unwrap();
    assert_eq!(claim(&store).await, []);
    settle(&store, &in_flight).await;
    assert_eq!(ids(&claim(&store).await), ["a/1"]);
}

/// Two claims that do not see each other choose two messages of a topic. The index lets one of them through; the other
/// looks again.
#[tokio::test]
async fn of_two_claims_at_the_same_moment_one_looks_again() {
    let Some(schema) = schema().await else { return };
    let store = schema.store().await;
    let (mut late, mut other) = (schema.client().await, schema.client().await);

    let late = late.transaction().await.unwrap();
    store.insert_in(&late, &message("a/1")).await.unwrap();
    store.insert(&message("a/2")).await.unwrap();
    let other = other.transaction().await.unwrap();
    let rows = other.query(postgres::CLAIM, &[&"", &10_i64, &60_f64, &false]).await.unwrap();
    assert_eq!(rows[0].get::<_, &str>(0), "a/2");
    late.commit().await.unwrap();

    let mut meeting = Box::pin(claim(&store));
    assert!(timeout(Duration::from_millis(300), &mut meeting).await.is_err(), "it waits for the other claim to end");
    other.commit().await.unwrap();
    assert_eq!(meeting.await, []);
}

#[tokio::test]
async fn a_taken_id_does_not_end_the_transaction() {
    let Some(schema) = schema().await else { return };
    let store = schema.store().await;
    store.insert(&message("a/1")).await.unwrap();
    let mut client = schema.client().await;
    let tx = client.transaction().await.unwrap();
    let error = store.insert_in(&tx, &message("a/1")).await.unwrap_err();
    assert!(matches!(&error, StoreError::Duplicate { id, .. } if id == "a/1"), "{error:?}");
    store.insert_in(&tx, &message("b/1")).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(claim(&store).await.len(), 2);
}

/// The database itself holds to it, whatever a statement says.
#[tokio::test]
async fn the_database_refuses_a_second_message_of_a_topic_in_flight() {
    let Some(schema) = schema().await else { return };
    let store = schema.store().await;
    store.insert(&message("a/1")).await.unwrap();
    store.insert(&message("a/2")).await.unwrap();
    let error = schema.client().await.execute("UPDATE outbox_messages SET state = 'claimed'", &[]).await.unwrap_err();
    assert_eq!(error.as_db_error().unwrap().constraint(), Some("outbox_messages_in_flight"));
}

/// Two relays whose clocks differ agree, because none of them is asked.
#[tokio::test]
async fn leases_run_by_the_clock_of_the_database() {
    let Some(schema) = schema().await else { return };
    let store = schema.store().await;
    store.insert(&message("a/1")).await.unwrap();
    assert_eq!(claim(&store).await.len(), 1);
    let client = schema.client().await;
    let seconds: f64 = client
        .query_one("SELECT extract(epoch FROM due - now())::float8 FROM outbox_messages", &[])
        .await
        .unwrap()
        .get(0);
    assert!((59.0..=60.0).contains(&seconds), "{seconds}");
    client.execute("UPDATE outbox_messages SET due = now() - interval '1 second'", &[]).await.unwrap();
    assert_eq!(claim(&store).await[0].lapses, 1);
}
