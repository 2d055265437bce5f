use std::future::{Ready, pending};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tower::Service;
use windbreak::Verdict;
use windbreak::outbox::{MemoryStore, Message, ParkedHead, Relay, State, Store};

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
