//! A database that is gone, read-only or locked: a clear error, and nothing lost.

use std::error::Error as _;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tower::service_fn;
use windbreak::Error;
use windbreak::outbox::{Message, Relay, Store, StoreError};
use windbreak::rules::ErrorsOnly;
use windbreak_postgres::PostgresStore;
use windbreak_postgres::tokio_postgres::NoTls;

use crate::server::schema;
use crate::support::upstream::Upstream;
use crate::support::{message, unique};

fn causes(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_clear_error() {
    let error = PostgresStore::connect("postgres://nobody@127.0.0.1:1/none").await.unwrap_err();
    assert!(causes(&error).contains("Connection refused"), "{}", causes(&error));
    let error = PostgresStore::connect("postgres://a b c").await.unwrap_err();
    assert!(causes(&error).starts_with("the store of the outbox failed: "), "{}", causes(&error));
}

#[tokio::test]
async fn a_server_that_never_speaks_is_given_up() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://nobody@{}/none", silent.local_addr().unwrap());
    let start = Instant::now();
    let error = PostgresStore::connect(&url).await.unwrap_err();
    assert_eq!(causes(&error), "the store of the outbox failed: no connection within 10s");
    assert!(start.elapsed() < Duration::from_secs(15));
}

#[tokio::test]
async fn a_database_that_is_read_only_is_a_clear_error() {
    let Some(schema) = schema().await else { return };
    schema.store().await;
    let url = schema.url.replace("options=", "options=-c%20default_transaction_read_only%3Don%20");
    let store = PostgresStore::connect(&url).await.unwrap();
    let error = causes(&store.insert(&message("a/1")).await.unwrap_err());
    assert!(error.contains("cannot execute INSERT in a read-only transaction"), "{error}");
}

#[tokio::test]
async fn a_missing_table_is_a_clear_error() {
    let Some(schema) = schema().await else { return };
    let store = PostgresStore::connect(&schema.url).await.unwrap();
    let error = causes(&store.insert(&message("a/1")).await.unwrap_err());
    assert!(error.contains("relation \"outbox_messages\" does not exist"), "{error}");
}

/// Every few milliseconds somebody ends all connections of the store.
#[tokio::test]
async fn a_relay_whose_connection_is_cut_connects_again_and_loses_nothing() {
    const MESSAGES: usize = 60;
    let Some(schema) = schema().await else { return };
    let name = unique();
    let url = format!("{}&application_name={name}", schema.url);
    schema.store().await;
    let store = PostgresStore::connect(&url).await.unwrap();
    for place in 0..MESSAGES {
        store.insert(&message(&format!("{}/{place}", place % 5))).await.unwrap();
    }
    let file = std::env::temp_dir().join(format!("windbreak-postgres-{name}"));
    let relay = Relay::builder("cut", store.clone(), Upstream::open(&file, Duration::from_millis(4)), ErrorsOnly)
        .timeout(Duration::from_secs(1))
        .poll_every(Duration::from_millis(10))
        .build()
        .unwrap();
    let handle = relay.handle();
    let killer = schema.client().await;
    let patience = Instant::now() + Duration::from_secs(30);
    let cut = async {
        let mut cuts = 0;
        while handle.delivered() < MESSAGES as u64 && Instant::now() < patience {
            sleep(Duration::from_millis(25)).await;
            let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1";
            cuts += if cuts < 10 { killer.execute(sql, &[&name]).await.unwrap() } else { 0 };
        }
        cuts
    };
    let (send, stop) = tokio::sync::oneshot::channel::<()>();
    let cuts = async {
        let cuts = cut.await;
        drop(send);
        cuts
    };
    let stopped = async {
        let _ = stop.await;
    };
    let ((), cuts) = tokio::join!(relay.run(stopped), cuts);
    let mut accepted = Upstream::accepted(&file);
    let _ = std::fs::remove_file(&file);
    accepted.sort_unstable();
    accepted.dedup();
    assert_eq!(accepted.len(), MESSAGES);
    assert!(cuts >= 2, "{cuts} cuts");
    assert!(handle.store_failures() > 0);
}

/// What must not begin anew each time: the relay gives its store no longer than a delivery may take.
#[tokio::test]
async fn a_connection_that_takes_longer_than_a_call_may_is_made_all_the_same() {
    let Some(schema) = schema().await else { return };
    schema.store().await.insert(&message("a/1")).await.unwrap();
    let url = schema.url.clone();
    let store = PostgresStore::new(move || {
        let url = url.clone();
        async move {
            sleep(Duration::from_millis(500)).await;
            let (client, connection) = windbreak_postgres::tokio_postgres::connect(&url, NoTls).await?;
            tokio::spawn(connection);
            Ok(client)
        }
    });
    let deliver = service_fn(|_: Message| async { Ok::<_, Error<std::io::Error>>(()) });
    let relay = Relay::builder("slow", store, deliver, ErrorsOnly)
        .timeout(Duration::from_millis(200))
        .poll_every(Duration::from_millis(20))
        .build()
        .unwrap();
    let handle = relay.handle();
    let patience = Instant::now() + Duration::from_secs(5);
    let delivered = async {
        while handle.delivered() == 0 && Instant::now() < patience {
            sleep(Duration::from_millis(10)).await;
        }
    };
    relay.run(delivered).await;
    assert_eq!(handle.delivered(), 1);
}
