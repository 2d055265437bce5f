//! Each way in which a delivery can end.

use std::borrow::Cow;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use windbreak::outbox::{MemoryStore, Relay, State};
use windbreak::rules::Classify;
use windbreak::{Rejection, Verdict};

use super::helpers::{Act, Fault, Upstream, attempts, insert, relay, rules, states};

const SECOND: Duration = Duration::from_secs(1);

fn parked(reason: &str) -> State {
    State::Parked(reason.to_owned())
}

/// What has become of a message that met `act` once, after a second and a half, and when it was sent again.
async fn after(act: Act) -> (State, u32, Option<Duration>) {
    let (store, upstream) = (MemoryStore::new(), Upstream::with([act, Act::After(60 * SECOND)]));
    insert(&store, &["a/1"]).await;
    let start = Instant::now();
    let run = relay(&store, &upstream).build().unwrap().run(std::future::pending());
    let _ = tokio::time::timeout(10 * SECOND, run).await;
    let again = upstream.times(start).get(1).copied();
    (states(&store).remove(0), attempts(&store)[0], again)
}

#[tokio::test(start_paused = true)]
async fn each_result_has_its_row() {
    let two = Some(2 * SECOND);
    let rejected = |rejection: Rejection| Act::Reject(rejection);
    let rows = [
        (Act::Ok, (State::Done, 0, None)),
        (Act::Decline, (parked("_OTHER"), 1, None)),
        (Act::Permanent, (parked("_OTHER"), 1, None)),
        (Act::Mistake, (parked("_OTHER"), 0, None)),
        // It costs more than the limit ever holds.
        (rejected(Rejection::rate_limited(None)), (parked("rate_limited: rate limited"), 0, None)),
        // What was sent and failed: counted.
        (Act::Fail, (State::Claimed, 1, Some(SECOND))),
        (Act::InProgress, (State::Claimed, 1, Some(SECOND))),
        (Act::Panic, (State::Claimed, 1, Some(SECOND))),
        (rejected(Rejection::timeout(SECOND)), (State::Claimed, 1, Some(SECOND))),
        (rejected(Rejection::not_applied("503")), (State::Claimed, 1, Some(SECOND))),
        // What was not sent, or met an upstream that wants less: not counted.
        (Act::Throttle(None), (State::Claimed, 0, Some(SECOND))),
        (Act::Throttle(two), (State::Claimed, 0, Some(3 * SECOND))),
        (rejected(Rejection::circuit_open("card", None)), (State::Claimed, 0, Some(SECOND))),
        (rejected(Rejection::circuit_open("card", two)), (State::Claimed, 0, Some(3 * SECOND))),
        (rejected(Rejection::rate_limited(two)), (State::Claimed, 0, Some(3 * SECOND))),
        (rejected(Rejection::bulkhead_full(1)), (State::Claimed, 0, Some(SECOND))),
        (rejected(Rejection::bulkhead_timeout(1, SECOND)), (State::Claimed, 0, Some(SECOND))),
        (rejected(Rejection::throttled("card")), (State::Claimed, 0, Some(SECOND))),
        (rejected(Rejection::all_unavailable("card", two)), (State::Claimed, 0, Some(3 * SECOND))),
    ];
    for (act, expected) in rows {
        assert_eq!(after(act.clone()).await, expected, "{act:?}");
    }
}

/// What asks for a century, or for seconds without end, is a mistake; a message that waits for it is seen by nobody.
#[tokio::test(start_paused = true)]
async fn no_upstream_holds_a_message_back_for_longer_than_a_day() {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    for act in [Act::Throttle(Some(Duration::MAX)), Act::Reject(Rejection::rate_limited(Some(400 * DAY)))] {
        let (store, upstream) = (MemoryStore::new(), Upstream::with([act.clone()]));
        insert(&store, &["a/1"]).await;
        let start = Instant::now();
        let relay = relay(&store, &upstream).poll_every(3_600 * SECOND).build().unwrap();
        relay.run(sleep(2 * DAY)).await;
        assert_eq!(upstream.times(start), [Duration::ZERO, DAY + SECOND], "{act:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_is_parked_with_its_last_reason_once_its_attempts_are_used_up() {
    let (store, upstream) =
        (MemoryStore::new(), Upstream::with([Act::Panic, Act::Throttle(None), Act::Fail, Act::Fail]));
    insert(&store, &["a/1", "a/2"]).await;
    let relay = relay(&store, &upstream).max_attempts(3).build().unwrap();
    let handle = relay.handle();
    relay.run(sleep(60 * SECOND)).await;
    assert_eq!(upstream.calls(), ["a/1"; 4]);
    assert_eq!((states(&store), attempts(&store)), (vec![parked("_OTHER: reset"), State::Waiting], vec![3, 0]));
    assert_eq!((handle.retried(), handle.waited(), handle.parked(), handle.delivered()), (2, 1, 1, 0));
}

/// Rules with a mistake in one of their functions.
struct Broken {
    classify: bool,
}

impl Classify<Verdict, Fault> for Broken {
    fn classify(&self, result: Result<&Verdict, &Fault>) -> Verdict {
        assert!(!self.classify, "no such status");
        rules().classify(result)
    }

    fn error_type(&self, _: Result<&Verdict, &Fault>) -> Cow<'static, str> {
        panic!("no such word")
    }
}

/// What was sent may have arrived, and nobody knows: it is sent again, but not for ever, and not without a reason.
#[tokio::test(start_paused = true)]
async fn a_panic_of_the_rules_is_an_attempt_that_failed() {
    for (classify, act, reason) in
        [(true, Act::Ok, "no such status"), (true, Act::Fail, "no such status"), (false, Act::Fail, "no such word")]
    {
        let (store, upstream) = (MemoryStore::new(), Upstream::with(std::iter::repeat_n(act, 4)));
        insert(&store, &["a/1", "b/1"]).await;
        let relay = Relay::builder("test", store.clone(), upstream.clone(), Broken { classify })
            .topics_at_once(1)
            .max_attempts(2)
            .backoff(SECOND)
            .build()
            .unwrap();
        let handle = relay.handle();
        relay.run(sleep(10 * SECOND)).await;
        assert_eq!(states(&store)[0], parked(&format!("its result could not be judged: {reason}")));
        assert_eq!((attempts(&store)[0], handle.parked() + handle.delivered()), (2, 2), "and so is the other");
    }
}
