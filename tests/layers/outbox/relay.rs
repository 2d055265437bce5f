use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use windbreak::Rejection;
use windbreak::backoff::{Backoff, Jitter};
use windbreak::outbox::{MemoryStore, Message, ParkedHead, State, Store};

use super::helpers::{Act, Upstream, attempts, insert, relay, states};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn messages_of_a_topic_are_delivered_in_order() {
    let (store, upstream) = (MemoryStore::new(), Upstream::with([Act::Fail, Act::After(SECOND)]));
    insert(&store, &["a/1", "a/2", "a/3"]).await;
    let relay = relay(&store, &upstream).build().unwrap();
    let handle = relay.handle();
    relay.run(sleep(60 * SECOND)).await;
    assert_eq!(upstream.calls(), ["a/1", "a/1", "a/2", "a/3"]);
    assert_eq!(upstream.accepted(), ["a/1", "a/2", "a/3"]);
    assert_eq!(states(&store), [State::Done, State::Done, State::Done]);
    assert_eq!((handle.delivered(), handle.retried()), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_is_waited_for_and_costs_no_attempt() {
    let open = || Act::Reject(Rejection::circuit_open("card", Some(5 * SECOND)));
    let (store, upstream) = (MemoryStore::new(), Upstream::with([open(), open(), Act::Fail]));
    insert(&store, &["a/1"]).await;
    let start = Instant::now();
    relay(&store, &upstream).max_attempts(2).build().unwrap().run(sleep(60 * SECOND)).await;
    let seconds: Vec<_> = upstream.times(start).iter().map(Duration::as_secs).collect();
    assert_eq!(seconds, [0, 6, 12, 13]);
    assert_eq!((states(&store), attempts(&store)), (vec![State::Done], vec![1]));
}

#[tokio::test(start_paused = true)]
async fn a_declined_message_is_parked_at_once_and_unparked_with_its_id() {
    let (store, upstream) = (MemoryStore::new(), Upstream::with([Act::Decline]));
    insert(&store, &["a/1", "a/2"]).await;
    relay(&store, &upstream).build().unwrap().run(sleep(10 * SECOND)).await;
    assert_eq!(upstream.calls(), ["a/1"]);
    let parked = store.parked(0, 10).await.unwrap();
    assert_eq!((parked[0].message.id.as_str(), parked[0].message.attempts), ("a/1", 1));

    assert!(store.unpark("a/1").await.unwrap());
    relay(&store, &upstream).build().unwrap().run(sleep(10 * SECOND)).await;
    assert_eq!(upstream.accepted(), ["a/1", "a/2"]);
}

#[tokio::test(start_paused = true)]
async fn a_parked_head_can_be_stepped_over() {
    let (store, upstream) = (MemoryStore::new(), Upstream::with([Act::Decline]));
    insert(&store, &["a/1", "a/2"]).await;
    relay(&store, &upstream).parked_head(ParkedHead::IsSteppedOver).build().unwrap().run(sleep(10 * SECOND)).await;
    assert_eq!(upstream.accepted(), ["a/2"]);
}

#[tokio::test(start_paused = true)]
async fn a_sweep_comes_when_it_is_due() {
    let (store, upstream) = (MemoryStore::new(), Upstream::default());
    let start = Instant::now();
    store.insert(&Message::new("sweep/7").due_in(300 * SECOND)).await.unwrap();
    relay(&store, &upstream).build().unwrap().run(sleep(600 * SECOND)).await;
    assert_eq!(upstream.times(start), [300 * SECOND]);
}

#[tokio::test(start_paused = true)]
async fn a_notified_relay_does_not_wait_for_its_poll() {
    let (store, upstream) = (MemoryStore::new(), Upstream::default());
    let relay = relay(&store, &upstream).poll_every(600 * SECOND).build().unwrap();
    let handle = relay.handle();
    let start = Instant::now();
    let run = relay.run(std::future::pending());
    let write = async {
        sleep(SECOND).await;
        insert(&store, &["a/1"]).await;
        handle.notify();
        std::future::pending::<()>().await;
    };
    let _ = timeout(10 * SECOND, async { tokio::join!(run, write) }).await;
    assert_eq!(upstream.times(start), [SECOND]);
}

#[tokio::test(start_paused = true)]
async fn topics_are_delivered_in_parallel_up_to_the_bound() {
    let (store, upstream) = (MemoryStore::new(), Upstream::with([0; 5].map(|_| Act::After(SECOND))));
    insert(&store, &["a/1", "b/1", "c/1", "d/1", "e/1"]).await;
    let start = Instant::now();
    relay(&store, &upstream).topics_at_once(2).build().unwrap().run(sleep(10 * SECOND)).await;
    assert_eq!(upstream.times(start), [0, 0, 1, 1, 2].map(|seconds| seconds * SECOND));
}

/// Nothing is asked of an upstream that is known to reject it.
#[tokio::test(start_paused = true)]
async fn a_rejection_holds_all_topics_back() {
    let open = Act::Reject(Rejection::circuit_open("card", Some(5 * SECOND)));
    let (store, upstream) = (MemoryStore::new(), Upstream::with([open]));
    insert(&store, &["a/1", "b/1", "c/1"]).await;
    let start = Instant::now();
    relay(&store, &upstream).topics_at_once(1).build().unwrap().run(sleep(60 * SECOND)).await;
    assert_eq!(upstream.calls(), ["a/1", "b/1", "c/1", "a/1"]);
    assert_eq!(upstream.times(start), [0, 5, 5, 6].map(|seconds| seconds * SECOND));
}

/// An operator who closes a circuit by hand does not wait for an hour.
#[tokio::test(start_paused = true)]
async fn a_rejection_holds_others_back_for_a_minute_at_most() {
    let open = Act::Reject(Rejection::circuit_open("card", Some(3_600 * SECOND)));
    let (store, upstream) = (MemoryStore::new(), Upstream::with([open]));
    insert(&store, &["a/1", "b/1"]).await;
    let start = Instant::now();
    relay(&store, &upstream).topics_at_once(1).build().unwrap().run(sleep(7_200 * SECOND)).await;
    assert_eq!(upstream.calls(), ["a/1", "b/1", "a/1"]);
    assert_eq!(upstream.times(start), [0, 60, 3_601].map(|seconds| seconds * SECOND));
}

#[tokio::test(start_paused = true)]
async fn the_pauses_grow_with_the_attempts() {
    let (store, upstream) = (MemoryStore::new(), Upstream::with([Act::Fail, Act::Fail, Act::Fail]));
    insert(&store, &["a/1"]).await;
    let backoff = Backoff::exponential(SECOND).jitter(Jitter::None);
    let start = Instant::now();
    relay(&store, &upstream).backoff(backoff).build().unwrap().run(sleep(60 * SECOND)).await;
    assert_eq!(upstream.times(start), [0, 1, 3, 7].map(|seconds| seconds * SECOND));
}

#[tokio::test(start_paused = true)]
async fn done_messages_are_deleted_once_they_are_old_or_kept_for_ever() {
    for (keep, left) in [(10 * SECOND, 0), (Duration::MAX, 1_200)] {
        let (store, upstream) = (MemoryStore::new(), Upstream::default());
        for place in 0..1_200 {
            store.insert(&Message::new(format!("{place}"))).await.unwrap();
        }
        relay(&store, &upstream).keep_done_for(keep).build().unwrap().run(sleep(61 * SECOND)).await;
        assert_eq!((upstream.accepted().len(), store.messages().len()), (1_200, left));
    }
}
