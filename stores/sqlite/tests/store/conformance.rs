use std::time::Duration;

use tokio::time::{Instant, timeout};
use windbreak::outbox::{self, ParkedHead, Store};
use windbreak_sqlite::SqliteStore;
use windbreak_sqlite::rusqlite::Connection;

use crate::files::Folder;
use crate::support::{message, unique};

#[tokio::test]
async fn a_file_keeps_all_facts() {
    let folder = Folder::new();
    let store = folder.store();
    outbox::check(|| async { Ok(store.queue(unique())) }).await.unwrap();
}

#[tokio::test]
async fn a_database_in_memory_keeps_all_facts() {
    let store = SqliteStore::new(Connection::open_in_memory().unwrap()).unwrap();
    outbox::check(|| async { Ok(store.queue(unique())) }).await.unwrap();
}

#[tokio::test]
async fn queues_of_one_table_know_nothing_of_each_other() {
    let folder = Folder::new();
    let (events, sweeps) = (folder.store(), folder.store().queue("sweeps"));
    events.insert(&message("a/1")).await.unwrap();
    sweeps.insert(&message("a/1")).await.unwrap();
    let claimed = events.claim(10, Duration::from_secs(60), ParkedHead::Blocks).await.unwrap();
    assert_eq!(claimed.len(), 1);
    assert_eq!(sweeps.claim(10, Duration::from_secs(60), ParkedHead::Blocks).await.unwrap().len(), 1);
    assert_eq!(events.claim(10, Duration::from_secs(60), ParkedHead::Blocks).await.unwrap().len(), 0);
}

#[tokio::test]
async fn what_was_written_is_there_after_the_file_was_closed() {
    let folder = Folder::new();
    folder.store().insert(&message("a/1")).await.unwrap();
    let claimed = folder.store().claim(10, Duration::from_secs(60), ParkedHead::Blocks).await.unwrap();
    assert_eq!(claimed[0].message.id, "a/1");
}

/// Blocking work happens on a thread of its own, and while that runs tokio leaves its paused clock alone.
#[tokio::test(start_paused = true)]
async fn a_paused_clock_does_not_run_away_while_the_file_is_locked() {
    let folder = Folder::new();
    let store = folder.store();
    let connection = folder.connection();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    let start = Instant::now();
    let holder = tokio::task::spawn_blocking(move || {
        connection
            .execute_batch(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 500000) SELECT max(i) FROM n",
            )
            .unwrap();
        connection.execute_batch("COMMIT").unwrap();
    });
    timeout(Duration::from_secs(60), store.insert(&message("a/1"))).await.expect("no time passes").unwrap();
    holder.await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
}
