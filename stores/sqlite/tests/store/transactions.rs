use std::time::Duration;

use windbreak::outbox::{Claimed, Lease, ParkedHead, Settlement, Store, StoreError};
use windbreak_sqlite::SqliteStore;
use windbreak_sqlite::rusqlite::TransactionBehavior;

use crate::files::Folder;
use crate::support::message;

async fn claim(store: &SqliteStore) -> Vec<Claimed> {
    store.claim(10, Duration::from_secs(60), ParkedHead::Blocks).await.expect("a claim")
}

async fn deliver(store: &SqliteStore) -> Vec<String> {
    let claimed = claim(store).await;
    for claimed in &claimed {
        assert_eq!(store.settle(&claimed.claim, &Settlement::Done).await.expect("an end"), Lease::Held);
    }
    claimed.into_iter().map(|claimed| claimed.message.id).collect()
}

#[tokio::test]
async fn a_message_is_there_if_its_transaction_commits() {
    let folder = Folder::new();
    let store = folder.store();
    let mut connection = folder.connection();
    connection.execute_batch("CREATE TABLE orders (id INTEGER PRIMARY KEY)").unwrap();

    let tx = connection.transaction().unwrap();
    tx.execute("INSERT INTO orders VALUES (7)", []).unwrap();
    store.insert_in(&tx, &message("a/1")).unwrap();
    assert_eq!(deliver(&store).await, [""; 0]);
    tx.rollback().unwrap();
    assert_eq!(deliver(&store).await, [""; 0]);

    let tx = connection.transaction().unwrap();
    tx.execute("INSERT INTO orders VALUES (7)", []).unwrap();
    store.insert_in(&tx, &message("a/1")).unwrap();
    tx.commit().unwrap();
    assert_eq!(deliver(&store).await, ["a/1"]);
}

/// SQLite lets one transaction write at a time, and gives out the places in the order of the commits.
#[tokio::test]
async fn a_transaction_that_commits_late_is_not_overlooked() {
    let folder = Folder::new();
    let store = folder.store();
    let (mut early, mut late) = (folder.connection(), folder.connection());

    let late = late.transaction().unwrap();
    let early = early.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    store.insert_in(&early, &message("a/2")).unwrap();
    early.commit().unwrap();
    assert_eq!(deliver(&store).await, ["a/2"]);
    store.insert_in(&late, &message("a/1")).unwrap();
    assert_eq!(deliver(&store).await, [""; 0], "nobody sees it yet");
    late.commit().unwrap();
    assert_eq!(deliver(&store).await, ["a/1"]);

    // A row in a place that was passed long ago, as a restored one has it.
    folder
        .connection()
        .execute("UPDATE outbox_messages SET place = -1, state = 'waiting' WHERE id = 'a/1'", [])
        .unwrap();
    assert_eq!(deliver(&store).await, ["a/1"]);
}

#[tokio::test]
async fn a_taken_id_does_not_end_the_transaction() {
    let folder = Folder::new();
    let store = folder.store();
    store.insert(&message("a/1")).await.unwrap();
    let mut connection = folder.connection();
    let tx = connection.transaction().unwrap();
    let error = store.insert_in(&tx, &message("a/1")).unwrap_err();
    assert!(matches!(&error, StoreError::Duplicate { id, .. } if id == "a/1"), "{error:?}");
    store.insert_in(&tx, &message("b/1")).unwrap();
    tx.commit().unwrap();
    assert_eq!(claim(&store).await.len(), 2);
}

/// The database itself holds to it, whatever a statement says.
#[tokio::test]
async fn the_database_refuses_a_second_message_of_a_topic_in_flight() {
    let folder = Folder::new();
    let store = folder.store();
    store.insert(&message("a/1")).await.unwrap();
    store.insert(&message("a/2")).await.unwrap();
    let error = folder.connection().execute("UPDATE outbox_messages SET state = 'claimed'", []).unwrap_err();
    assert!(error.to_string().contains("UNIQUE constraint failed"), "{error}");
}

/// What is not written is not synced either: the log is as it was, and the file's lock is not asked for.
#[tokio::test]
async fn a_claim_that_finds_nothing_writes_nothing_and_waits_for_no_lock() {
    let folder = Folder::new();
    let connection = folder.connection();
    connection.busy_timeout(Duration::ZERO).unwrap();
    let store = SqliteStore::new(connection).unwrap();
    store.insert(&message("a/1")).await.unwrap();
    store.insert(&message("a/2")).await.unwrap();
    store.insert(&message("b/1").due_in(Duration::from_secs(60))).await.unwrap();
    assert_eq!(claim(&store).await.len(), 1);

    let writer = folder.connection();
    writer.execute_batch("BEGIN IMMEDIATE").unwrap();
    let log = || std::fs::read(folder.path().join("outbox.db-wal")).unwrap();
    let before = log();
    assert_eq!(claim(&store).await, []);
    assert_eq!(claim(&store.queue("empty")).await, []);
    assert!(before == log(), "the log has changed");
}
