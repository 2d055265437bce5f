//! A database that is locked, read-only, full or none at all: a clear error, and nothing lost.

use std::error::Error as _;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use windbreak::outbox::{Message, ParkedHead, Relay, Store, StoreError};
use windbreak::rules::ErrorsOnly;
use windbreak_sqlite::SqliteStore;
use windbreak_sqlite::rusqlite::{Connection, OpenFlags};

use crate::files::Folder;
use crate::support::message;
use crate::support::upstream::Upstream;

fn cause(error: &StoreError) -> String {
    error.source().expect("what the database said").to_string()
}

#[tokio::test]
async fn a_database_that_is_read_only_is_a_clear_error() {
    let folder = Folder::new();
    folder.store().insert(&message("a/1")).await.unwrap();
    let read_only = Connection::open_with_flags(folder.database(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let store = SqliteStore::new(read_only).unwrap();
    let error = store.insert(&message("a/2")).await.unwrap_err();
    assert_eq!(error.to_string(), "the store of the outbox failed");
    assert_eq!(cause(&error), "attempt to write a readonly database");
}

#[tokio::test]
async fn a_database_that_is_full_is_a_clear_error_and_keeps_what_it_has() {
    let folder = Folder::new();
    let connection = folder.connection();
    connection.execute_batch("PRAGMA max_page_count = 20").unwrap();
    let store = SqliteStore::new(connection).unwrap();
    store.insert(&message("a/1")).await.unwrap();
    let large = Message::new("b/1").payload(vec![7; 200_000]);
    assert_eq!(cause(&store.insert(&large).await.unwrap_err()), "database or disk is full");
    // Somebody made room.
    let store = folder.store();
    store.insert(&large).await.unwrap();
    let claimed = store.claim(10, Duration::from_secs(60), ParkedHead::Blocks).await.unwrap();
    assert_eq!(claimed.iter().map(|claimed| claimed.message.id.as_str()).collect::<Vec<_>>(), ["a/1", "b/1"]);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_a_clear_error() {
    let folder = Folder::new();
    std::fs::write(folder.database(), [b'x'; 4096]).unwrap();
    assert_eq!(cause(&SqliteStore::open(folder.database()).unwrap_err()), "file is not a database");
    let nowhere = SqliteStore::open(folder.path().join("no/such/folder.db")).unwrap_err();
    assert!(cause(&nowhere).starts_with("unable to open database file"), "{}", cause(&nowhere));
}

#[tokio::test]
async fn a_relay_goes_on_once_the_lock_is_gone() {
    let folder = Folder::new();
    let connection = folder.connection();
    connection.busy_timeout(Duration::from_millis(10)).unwrap();
    let store = SqliteStore::new(connection).unwrap();
    store.insert(&message("a/1")).await.unwrap();

    let other = folder.connection();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(cause(&store.insert(&message("a/2")).await.unwrap_err()), "database is locked");

    let file = folder.path().join("upstream");
    let relay = Relay::builder("locked", store, Upstream::open(&file, Duration::ZERO), ErrorsOnly)
        .poll_every(Duration::from_millis(20))
        .build()
        .unwrap();
    let handle = relay.handle();
    let patience = Instant::now() + Duration::from_secs(20);
    let unlock = async {
        while handle.store_failures() < 3 && Instant::now() < patience {
            sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(Upstream::accepted(&file), [""; 0]);
        other.execute_batch("COMMIT").unwrap();
        while handle.delivered() == 0 && Instant::now() < patience {
            sleep(Duration::from_millis(5)).await;
        }
    };
    relay.run(unlock).await;
    assert_eq!(Upstream::accepted(&file), ["a/1"]);
    assert!(handle.store_failures() >= 3);
}
