//! A backend that is terminated between claim and settle, and during a claim.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tower::{Service, service_fn};
use windbreak::Error;
use windbreak::outbox::{Message, ParkedHead, Relay, RelayHandle, Store, postgres};
use windbreak::rules::ErrorsOnly;
use windbreak_postgres::PostgresStore;
use windbreak_postgres::tokio_postgres::Client;

use crate::server::{Schema, schema};
use crate::support::{message, unique};

/// A store whose backends have a name, by which they are found and ended.
struct Named {
    store: PostgresStore,
    name: String,
    client: Client,
}

impl Named {
    async fn new(schema: &Schema) -> Self {
        schema.store().await;
        let name = unique();
        let store = PostgresStore::connect(&format!("{}&application_name={name}", schema.url)).await;
        let store = store.expect("a connection");
        Self { store, name, client: schema.client().await }
    }

    async fn terminate(&self) -> u64 {
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1";
        self.client.execute(sql, &[&self.name]).await.expect("a count")
    }

    async fn waits_for_a_lock(&self) -> bool {
        let sql = "SELECT 1 FROM pg_stat_activity WHERE application_name = $1 AND wait_event_type = 'Lock'";
        !self.client.query(sql, &[&self.name]).await.expect("rows").is_empty()
    }
}

async fn until(is_so: impl AsyncFn() -> bool) {
    let patience = Instant::now() + Duration::from_secs(20);
    while !is_so().await {
        assert!(Instant::now() < patience, "it did not come to that");
        sleep(Duration::from_millis(5)).await;
    }
}

fn relay<S>(store: &PostgresStore, service: S) -> Relay<PostgresStore, S, ErrorsOnly>
where
    S: Service<Message, Response = (), Error = Error<Infallible>>,
{
    let relay = Relay::builder("terminated", store.clone(), service, ErrorsOnly);
    relay.timeout(Duration::from_secs(20)).poll_every(Duration::from_millis(20)).build().expect("a relay")
}

async fn all_is_done(handle: &RelayHandle, store: &PostgresStore) {
    until(async || handle.delivered() == 2).await;
    assert_eq!((handle.unsettled(), handle.retried(), handle.parked()), (0, 0, 0));
    assert_eq!(store.next_due(ParkedHead::Blocks).await.expect("a response"), None);
}

#[tokio::test]
async fn a_backend_that_is_terminated_between_claim_and_settle_costs_no_second_delivery() {
    let Some(schema) = schema().await else { return };
    let named = Arc::new(Named::new(&schema).await);
    let store = named.store.clone();
    for id in ["a/1", "a/2"] {
        store.insert(&message(id)).await.unwrap();
    }
    let calls = Arc::<Mutex<Vec<String>>>::default();
    let upstream = service_fn({
        let (named, calls) = (Arc::clone(&named), Arc::clone(&calls));
        move |message: Message| {
            let (named, calls) = (Arc::clone(&named), Arc::clone(&calls));
            async move {
                calls.lock().unwrap().push(message.id);
                assert_eq!(named.terminate().await, 1);
                Ok::<_, Error<Infallible>>(())
            }
        }
    });
    let relay = relay(&store, upstream);
    let handle = relay.handle();
    relay.run(all_is_done(&handle, &store)).await;
    assert_eq!(*calls.lock().unwrap(), ["a/1", "a/2"]);
}

/// Another claim, which does not commit, has the second message of the topic, while the first one appears: the relay's claim
/// waits for it.
#[tokio::test]
async fn a_backend_that_is_terminated_during_a_claim_has_claimed_nothing() {
    let Some(schema) = schema().await else { return };
    let named = Named::new(&schema).await;
    let store = named.store.clone();
    let (mut late, mut other) = (schema.client().await, schema.client().await);
    let late = late.transaction().await.unwrap();
    store.insert_in(&late, &message("a/1")).await.unwrap();
    store.insert(&message("a/2")).await.unwrap();
    let other = other.transaction().await.unwrap();
    assert_eq!(other.query(postgres::CLAIM, &[&"", &10_i64, &60_f64, &false]).await.unwrap().len(), 1);
    late.commit().await.unwrap();

    let calls = Arc::<Mutex<Vec<String>>>::default();
    let upstream = service_fn({
        let calls = Arc::clone(&calls);
        move |message: Message| {
            calls.lock().unwrap().push(message.id);
            async { Ok::<_, Error<Infallible>>(()) }
        }
    });
    let relay = relay(&store, upstream);
    let handle = relay.handle();
    let terminated = async {
        until(async || named.waits_for_a_lock().await).await;
        assert_eq!(named.terminate().await, 1);
        until(async || handle.store_failures() > 0).await;
        other.rollback().await.unwrap();
        all_is_done(&handle, &store).await;
    };
    relay.run(terminated).await;
    assert_eq!(*calls.lock().unwrap(), ["a/1", "a/2"]);
}
