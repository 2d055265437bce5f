use std::collections::HashSet;
use std::time::Duration;

use windbreak::outbox::{self, Lease, ParkedHead, Settlement, Store};

use crate::server::schema;
use crate::support::{message, unique};

const LEASE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_server_keeps_all_facts() {
    let Some(schema) = schema().await else { return };
    let store = schema.store().await;
    outbox::check(|| async { Ok(store.queue(unique())) }).await.unwrap();
}

#[tokio::test]
async fn queues_of_one_table_know_nothing_of_each_other() {
    let Some(schema) = schema().await else { return };
    let events = schema.store().await;
    let sweeps = events.queue("sweeps");
    events.insert(&message("a/1")).await.unwrap();
    sweeps.insert(&message("a/1")).await.unwrap();
    assert_eq!(events.claim(10, LEASE, ParkedHead::Blocks).await.unwrap().len(), 1);
    assert_eq!(sweeps.claim(10, LEASE, ParkedHead::Blocks).await.unwrap().len(), 1);
    assert_eq!(events.claim(10, LEASE, ParkedHead::Blocks).await.unwrap().len(), 0);
}

#[tokio::test]
async fn processes_that_start_at_once_make_one_table() {
    let Some(schema) = schema().await else { return };
    let starts: Vec<_> = (0..8)
        .map(|_| {
            let url = schema.url.clone();
            tokio::spawn(async move {
                let store = windbreak_postgres::PostgresStore::connect(&url).await.unwrap();
                store.create_table().await.unwrap();
                store.create_table().await.unwrap();
            })
        })
        .collect();
    for start in starts {
        start.await.unwrap();
    }
}

/// Eight connections, each of which claims, settles and claims again, while messages come in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_over_many_connections_keep_one_message_of_a_topic_in_flight() {
    const MESSAGES: usize = 400;
    let Some(schema) = schema().await else { return };
    let first = schema.store().await;
    let insert = tokio::spawn({
        let store = first.clone();
        async move {
            for place in 0..MESSAGES {
                store.insert(&message(&format!("{}/{place}", place % 3))).await.unwrap();
            }
        }
    });
    let relays: Vec<_> = (0..8)
        .map(|_| {
            let url = schema.url.clone();
            tokio::spawn(async move {
                let store = windbreak_postgres::PostgresStore::connect(&url).await.unwrap();
                let mut delivered = Vec::new();
                let mut empty = 0;
                while empty < 50 {
                    let claimed = store.claim(2, LEASE, ParkedHead::Blocks).await.unwrap();
                    if claimed.is_empty() {
                        empty += 1;
                        tokio::time::sleep(Duration::from_millis(10)).await;
                        continue;
                    }
                    empty = 0;
                    for claimed in claimed {
                        assert_eq!(claimed.claim.number % (1 << 20), 1, "nobody else claimed {}", claimed.message.id);
                        let lease = store.settle(&claimed.claim, &Settlement::Done).await.unwrap();
                        assert_eq!(lease, Lease::Held);
                        delivered.push(claimed.message.id);
                    }
                }
                delivered
            })
        })
        .collect();
    insert.await.unwrap();
    let mut all = HashSet::new();
    let mut most = 0;
    for relay in relays {
        let delivered = relay.await.unwrap();
        most = most.max(delivered.len());
        for id in delivered {
            assert!(all.insert(id.clone()), "{id} was delivered twice");
        }
    }
    assert_eq!(all.len(), MESSAGES);
    assert!(most < MESSAGES, "they shared the work");
}
