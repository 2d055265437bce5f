use std::future::{Ready, pending};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tower::Service;
use windbreak::Verdict;
use windbreak::outbox::{
    Claim, Claimed, Lease, MemoryStore, Message, Parked, ParkedHead, Relay, Settlement, State, Store, StoreError,
};

use super::helpers::{Act, Fault, Upstream, attempts, insert, relay, rules, states};

const SECOND: Duration = Duration::from_secs(1);

#[derive(Clone)]
pub(crate) struct NeverReady;

impl Service<Message> for NeverReady {
    type Response = Verdict;
    type Error = Fault;
    type Future = Ready<Result<Verdict, Fault>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        Poll::Pending
    }

    fn call(&mut self, _: Message) -> Self::Future {
        panic!("it was never ready")
    }
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_is_to_end_finishes_what_is_in_flight_and_begins_nothing() {
    let (store, upstream) = (MemoryStore::new(), Upstream::with([Act::After(3 * SECOND)]));
    insert(&store, &["a/1", "a/2"]).await;
    let start = Instant::now();
    relay(&store, &upstream).build().unwrap().run(sleep(SECOND)).await;
    assert_eq!(start.elapsed(), 3 * SECOND);
    assert_eq!(states(&store), [State::Done, State::Waiting]);
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_is_to_end_gives_back_what_it_has_not_sent() {
    let store = MemoryStore::new();
    insert(&store, &["a/1"]).await;
    let start = Instant::now();
    Relay::builder("test", store.clone(), NeverReady, rules()).build().unwrap().run(sleep(SECOND)).await;
    assert_eq!(start.elapsed(), SECOND);
    assert_eq!((states(&store), attempts(&store)), (vec![State::Waiting], vec![0]));
    assert_eq!(store.next_due(ParkedHead::Blocks).await.unwrap(), Some(Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_relay_without_work_ends_at_once() {
    let (store, upstream) = (MemoryStore::new(), Upstream::default());
    let start = Instant::now();
    relay(&store, &upstream).build().unwrap().run(std::future::ready(())).await;
    assert_eq!(start.elapsed(), Duration::ZERO);
}

/// What it held is in no task of its own any more.
#[tokio::test(start_paused = true)]
async fn a_relay_that_is_dropped_drops_its_deliveries() {
    let (store, upstream) = (MemoryStore::new(), Upstream::with([Act::After(10 * SECOND)]));
    insert(&store, &["a/1"]).await;
    let run = relay(&store, &upstream).build().unwrap().run(pending());
    let _ = tokio::time::timeout(SECOND, run).await;
    sleep(30 * SECOND).await;
    assert_eq!((upstream.calls().len(), upstream.accepted().len()), (1, 0));
}

/// A store of which some calls never return, as over a connection that leads nowhere.
#[derive(Clone)]
struct Hanging(MemoryStore, &'static [&'static str]);

impl Hanging {
    async fn around<T>(&self, method: &str, call: impl Future<Output = T>) -> T {
        if self.1.contains(&method) { pending().await } else { call.await }
    }
}

impl Store for Hanging {
    async fn insert(&self, message: &Message) -> Result<(), StoreError> {
        self.0.insert(message).await
    }

    async fn claim(&self, limit: usize, lease: Duration, parked: ParkedHead) -> Result<Vec<Claimed>, StoreError> {
        self.around("claim", self.0.claim(limit, lease, parked)).await
    }

    async fn settle(&self, claim: &Claim, settlement: &Settlement) -> Result<Lease, StoreError> {
        self.around("settle", self.0.settle(claim, settlement)).await
    }

    async fn next_due(&self, parked: ParkedHead) -> Result<Option<Duration>, StoreError> {
        self.around("next_due", self.0.next_due(parked)).await
    }

    async fn parked(&self, offset: usize, limit: usize) -> Result<Vec<Parked>, StoreError> {
        self.0.parked(offset, limit).await
    }

    async fn unpark(&self, id: &str) -> Result<bool, StoreError> {
        self.0.unpark(id).await
    }

    async fn delete_done(&self, for_longer_than: Duration, limit: usize) -> Result<usize, StoreError> {
        self.around("delete_done", self.0.delete_done(for_longer_than, limit)).await
    }
}

/// With a timeout of 10 s, told after 1 s. What has to be written is tried until its lease has run out; a claim under way is
/// waited for, since what it leases is to be given back; nothing else is.
#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_holds_up_the_end_for_twice_the_timeout_at_most() {
    let rows: [(&'static [&'static str], u64, u64); 5] = [
        (&["next_due"], 1, 0),
        (&["delete_done"], 1, 0),
        (&["claim"], 10, 1),
        (&["settle"], 20, 2),
        (&["claim", "settle", "next_due", "delete_done"], 10, 1),
    ];
    for (hanging, ends, failures) in rows {
        let store = MemoryStore::new();
        insert(&store, &["a/1"]).await;
        let hanging_store = Hanging(store.clone(), hanging);
        let relay = Relay::builder("test", hanging_store, Upstream::default(), rules()).timeout(10 * SECOND);
        let relay = relay.build().unwrap();
        let handle = relay.handle();
        let start = Instant::now();
        relay.run(sleep(SECOND)).await;
        assert_eq!((start.elapsed().as_secs(), handle.store_failures()), (ends, failures), "{hanging:?}");
    }
}

/// What is claimed has a deadline by then.
#[tokio::test(start_paused = true)]
async fn a_store_that_is_slow_to_say_what_is_next_holds_up_no_delivery() {
    let (store, upstream) = (MemoryStore::new(), Upstream::with([Act::After(SECOND)]));
    insert(&store, &["a/1"]).await;
    let relay = Relay::builder("test", Hanging(store.clone(), &["next_due"]), upstream.clone(), rules());
    let start = Instant::now();
    relay.timeout(10 * SECOND).build().unwrap().run(sleep(15 * SECOND)).await;
    assert_eq!((upstream.times(start), attempts(&store)), (vec![Duration::ZERO], vec![0]));
}

/// A claim that returns only after the relay was told to end.
#[derive(Clone)]
struct ClaimsLate(MemoryStore);

impl Store for ClaimsLate {
    async fn insert(&self, message: &Message) -> Result<(), StoreError> {
        self.0.insert(message).await
    }

    async fn claim(&self, limit: usize, lease: Duration, parked: ParkedHead) -> Result<Vec<Claimed>, StoreError> {
        let claimed = self.0.claim(limit, lease, parked).await;
        sleep(3 * SECOND).await;
        claimed
    }

    async fn settle(&self, claim: &Claim, settlement: &Settlement) -> Result<Lease, StoreError> {
        self.0.settle(claim, settlement).await
    }

    async fn next_due(&self, parked: ParkedHead) -> Result<Option<Duration>, StoreError> {
        self.0.next_due(parked).await
    }

    async fn parked(&self, offset: usize, limit: usize) -> Result<Vec<Parked>, StoreError> {
        self.0.parked(offset, limit).await
    }

    async fn unpark(&self, id: &str) -> Result<bool, StoreError> {
        self.0.unpark(id).await
    }

    async fn delete_done(&self, for_longer_than: Duration, limit: usize) -> Result<usize, StoreError> {
        self.0.delete_done(for_longer_than, limit).await
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_claimed_after_a_relay_was_told_to_end_is_given_back() {
    let (store, upstream) = (MemoryStore::new(), Upstream::default());
    insert(&store, &["a/1"]).await;
    let start = Instant::now();
    let relay = Relay::builder("test", ClaimsLate(store.clone()), upstream.clone(), rules());
    relay.build().unwrap().run(sleep(SECOND)).await;
    assert_eq!((start.elapsed(), upstream.calls().len()), (3 * SECOND, 0));
    assert_eq!((states(&store), attempts(&store)), (vec![State::Waiting], vec![0]));
}
