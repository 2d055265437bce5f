//! What happens when a delivery, a relay or its store does not come to an end.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use tokio::time::{Instant, sleep, timeout};
use tower::service_fn;
use windbreak::Error;
use windbreak::outbox::{MemoryStore, Message, ParkedHead, Relay, State, Store};
use windbreak::rules::ErrorsOnly;

use super::helpers::{Act, Upstream, attempts, insert, relay, rules, states};
use super::unreliable::UnreliableStore;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_message_of_a_relay_that_was_dropped_comes_again_when_its_lease_has_run_out() {
    let (store, upstream) = (MemoryStore::new(), Upstream::with([Act::After(20 * SECOND)]));
    insert(&store, &["a/1"]).await;
    let start = Instant::now();
    let build = || relay(&store, &upstream).timeout(10 * SECOND).build().unwrap();
    let _ = timeout(5 * SECOND, build().run(std::future::pending())).await;
    build().run(sleep(60 * SECOND)).await;
    assert_eq!(upstream.times(start), [0, 20].map(|seconds| seconds * SECOND));
    // Nobody knows whether the first one failed.
    assert_eq!((states(&store), attempts(&store)), (vec![State::Done], vec![0]));
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_takes_too_long_is_dropped_and_counts() {
    let (store, upstream) = (MemoryStore::new(), Upstream::with([Act::After(20 * SECOND)]));
    insert(&store, &["a/1"]).await;
    let start = Instant::now();
    relay(&store, &upstream).timeout(10 * SECOND).build().unwrap().run(sleep(60 * SECOND)).await;
    assert_eq!(upstream.times(start), [0, 11].map(|seconds| seconds * SECOND));
    assert_eq!((upstream.accepted().len(), attempts(&store)), (1, vec![1]));
}

#[tokio::test(start_paused = true)]
async fn a_delivery_knows_its_deadline() {
    let store = MemoryStore::new();
    insert(&store, &["a/1"]).await;
    let seen = Arc::new(Mutex::new(None));
    let service = service_fn({
        let seen = Arc::clone(&seen);
        move |_: Message| {
            *seen.lock().unwrap() = windbreak::deadline().map(|deadline| deadline - Instant::now());
            async { Ok::<_, Error<std::io::Error>>(()) }
        }
    });
    let relay = Relay::builder("test", store, service, ErrorsOnly).timeout(10 * SECOND).build().unwrap();
    relay.run(sleep(SECOND)).await;
    assert_eq!(*seen.lock().unwrap(), Some(10 * SECOND));
}

/// It would kill its process for ever.
#[tokio::test(start_paused = true)]
async fn a_message_whose_lease_ran_out_again_and_again_is_parked_undelivered() {
    let (store, upstream) = (MemoryStore::new(), Upstream::default());
    insert(&store, &["a/1"]).await;
    for lapses in 0..3 {
        let claimed = store.claim(1, SECOND, ParkedHead::Blocks).await.unwrap();
        assert_eq!(claimed[0].lapses, lapses);
        sleep(2 * SECOND).await;
    }
    relay(&store, &upstream).max_lapses(3).build().unwrap().run(sleep(10 * SECOND)).await;
    assert_eq!(upstream.calls(), [""; 0]);
    let reason = "its lease ran out 3 times in a row, and nobody settled it".to_owned();
    assert_eq!((states(&store), attempts(&store)), (vec![State::Parked(reason)], vec![0]));

    assert!(store.unpark("a/1").await.unwrap());
    relay(&store, &upstream).max_lapses(3).build().unwrap().run(sleep(10 * SECOND)).await;
    assert_eq!(upstream.accepted(), ["a/1"]);
}

#[tokio::test(start_paused = true)]
async fn a_result_that_cannot_be_written_is_given_up_with_the_lease() {
    let (store, upstream) = (MemoryStore::new(), Upstream::default());
    insert(&store, &["a/1"]).await;

    let failing = FailsToSettle(store.clone());
    let relay = Relay::builder("test", failing, upstream.clone(), rules()).timeout(10 * SECOND).build().unwrap();
    let handle = relay.handle();
    relay.run(sleep(30 * SECOND)).await;
    assert_eq!(upstream.accepted(), ["a/1"; 2]);
    assert_eq!((handle.unsettled(), handle.delivered()), (2, 0));
    assert!(handle.store_failures() > 100);
}

#[derive(Clone)]
struct FailsToSettle(MemoryStore);

/// The methods of a store, of which some are written anew.
macro_rules! as_in_memory {
    ($($method:ident($($name:ident: $type:ty),*) -> $result:ty;)*) => {
        $(async fn $method(&self, $($name: $type),*) -> Result<$result, windbreak::outbox::StoreError> {
            self.0.$method($($name),*).await
        })*
    };
}

impl Store for FailsToSettle {
    as_in_memory! {
        insert(message: &Message) -> ();
        claim(limit: usize, lease: Duration, parked: ParkedHead) -> Vec<windbreak::outbox::Claimed>;
        next_due(parked: ParkedHead) -> Option<Duration>;
        parked(offset: usize, limit: usize) -> Vec<windbreak::outbox::Parked>;
        unpark(id: &str) -> bool;
        delete_done(for_longer_than: Duration, limit: usize) -> usize;
    }

    async fn settle(
        &self,
        _: &windbreak::outbox::Claim,
        _: &windbreak::outbox::Settlement,
    ) -> Result<windbreak::outbox::Lease, windbreak::outbox::StoreError> {
        Err(windbreak::outbox::StoreError::failed("database or disk is full"))
    }
}

/// The first claim never returns, as over a connection that leads nowhere.
#[derive(Clone)]
struct HangsOnce(MemoryStore, Arc<Mutex<bool>>);

impl Store for HangsOnce {
    as_in_memory! {
        insert(message: &Message) -> ();
        settle(claim: &windbreak::outbox::Claim, settlement: &windbreak::outbox::Settlement) -> windbreak::outbox::Lease;
        next_due(parked: ParkedHead) -> Option<Duration>;
        parked(offset: usize, limit: usize) -> Vec<windbreak::outbox::Parked>;
        unpark(id: &str) -> bool;
        delete_done(for_longer_than: Duration, limit: usize) -> usize;
    }

    async fn claim(
        &self,
        limit: usize,
        lease: Duration,
        parked: ParkedHead,
    ) -> Result<Vec<windbreak::outbox::Claimed>, windbreak::outbox::StoreError> {
        let hangs = std::mem::take(&mut *self.1.lock().unwrap());
        if hangs {
            std::future::pending::<()>().await;
        }
        self.0.claim(limit, lease, parked).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_is_asked_again() {
    let (store, upstream) = (MemoryStore::new(), Upstream::default());
    insert(&store, &["a/1"]).await;
    let hangs = HangsOnce(store, Arc::new(Mutex::new(true)));
    let relay = Relay::builder("test", hangs, upstream.clone(), rules()).timeout(10 * SECOND).build().unwrap();
    let start = Instant::now();
    relay.run(sleep(30 * SECOND)).await;
    assert_eq!(upstream.times(start), [10 * SECOND]);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_does_not_end_the_relay() {
    let (store, upstream) = (MemoryStore::new(), Upstream::default());
    insert(&store, &["a/1", "b/1"]).await;
    let dice = Arc::new(Mutex::new(SmallRng::seed_from_u64(7)));
    let unreliable = UnreliableStore { store, dice, failures: 40 };
    let relay = Relay::builder("test", unreliable, upstream.clone(), rules()).build().unwrap();
    let handle = relay.handle();
    relay.run(sleep(600 * SECOND)).await;
    assert!(upstream.accepted().contains(&"a/1".to_owned()) && upstream.accepted().contains(&"b/1".to_owned()));
    assert!(handle.store_failures() > 0);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_not_ready_in_time_was_not_asked() {
    let store = MemoryStore::new();
    insert(&store, &["a/1"]).await;
    let relay = Relay::builder("test", store.clone(), super::shutdown::NeverReady, rules())
        .timeout(10 * SECOND)
        .max_attempts(1)
        .build()
        .unwrap();
    let handle = relay.handle();
    relay.run(sleep(60 * SECOND)).await;
    assert_eq!((states(&store), attempts(&store)), (vec![State::Waiting], vec![0]));
    assert!(handle.waited() >= 4, "{}", handle.waited());
}

/// Claims return after the relay has given them up, for two minutes.
#[derive(Clone)]
struct SlowAtFirst(MemoryStore, Instant);

impl Store for SlowAtFirst {
    as_in_memory! {
        insert(message: &Message) -> ();
        settle(claim: &windbreak::outbox::Claim, settlement: &windbreak::outbox::Settlement) -> windbreak::outbox::Lease;
        next_due(parked: ParkedHead) -> Option<Duration>;
        parked(offset: usize, limit: usize) -> Vec<windbreak::outbox::Parked>;
        unpark(id: &str) -> bool;
        delete_done(for_longer_than: Duration, limit: usize) -> usize;
    }

    async fn claim(
        &self,
        limit: usize,
        lease: Duration,
        parked: ParkedHead,
    ) -> Result<Vec<windbreak::outbox::Claimed>, windbreak::outbox::StoreError> {
        let claimed = self.0.claim(limit, lease, parked).await;
        if self.1.elapsed() < 120 * SECOND {
            sleep(3 * SECOND).await;
        }
        claimed
    }
}

/// What they leased runs out again and again, and no message is to blame for it.
#[tokio::test(start_paused = true)]
async fn leases_of_claims_that_were_given_up_park_nothing() {
    let (store, upstream) = (MemoryStore::new(), Upstream::default());
    insert(&store, &["a/1", "b/1"]).await;
    let slow = SlowAtFirst(store.clone(), Instant::now());
    let relay = Relay::builder("test", slow, upstream.clone(), rules()).timeout(2 * SECOND).build().unwrap();
    relay.run(sleep(150 * SECOND)).await;
    assert_eq!((states(&store), upstream.calls().len()), (vec![State::Done, State::Done], 2));
}

/// A transaction of somebody else holds the row: it is due, and nobody can claim it.
#[derive(Clone)]
struct Locked(MemoryStore, Arc<Mutex<u32>>);

impl Store for Locked {
    as_in_memory! {
        insert(message: &Message) -> ();
        settle(claim: &windbreak::outbox::Claim, settlement: &windbreak::outbox::Settlement) -> windbreak::outbox::Lease;
        next_due(parked: ParkedHead) -> Option<Duration>;
        parked(offset: usize, limit: usize) -> Vec<windbreak::outbox::Parked>;
        unpark(id: &str) -> bool;
        delete_done(for_longer_than: Duration, limit: usize) -> usize;
    }

    async fn claim(
        &self,
        _: usize,
        _: Duration,
        _: ParkedHead,
    ) -> Result<Vec<windbreak::outbox::Claimed>, windbreak::outbox::StoreError> {
        *self.1.lock().unwrap() += 1;
        Ok(Vec::new())
    }
}

/// In real time: a relay that never rests would stop the clock.
#[tokio::test]
async fn what_is_due_and_cannot_be_claimed_does_not_keep_the_relay_busy() {
    let (store, upstream) = (MemoryStore::new(), Upstream::default());
    insert(&store, &["a/1"]).await;
    let claims = Arc::default();
    let locked = Locked(store, Arc::clone(&claims));
    let relay = Relay::builder("test", locked, upstream, rules()).poll_every(10 * SECOND).build().unwrap();
    relay.run(sleep(SECOND / 2)).await;
    let claims = *claims.lock().unwrap();
    assert!((2..=60).contains(&claims), "{claims} claims");
}
