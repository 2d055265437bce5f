//! What failed for good is kept, and the caller has its error all the same.

use std::future::{pending, ready};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, advance, timeout};
use tokio_test::{assert_pending, assert_ready, task};
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};
use windbreak::dead_letter::{DeadLetter, Sink};
use windbreak::rules::{ErrorsOnly, Idempotency, rules_fn};
use windbreak::{DeadLetterLayer, Effect, Error, Failure, Rejection, RetryLayer, RetryPolicy, TimeoutLayer, Verdict};

use crate::saga::events::listen;
use crate::support::{millis, secs};

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Failed = Error<&'static str>;

const DOWN: Failed = Error::Service("down");

async fn fail(_: &'static str) -> Result<&'static str, Failed> {
    Err(DOWN)
}

/// What a sink does with a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Fails,
    Panics,
    PanicsLater,
    Hangs,
}

impl Sink<&'static str> for Fate {
    #[allow(clippy::manual_async_fn, reason = "it may panic before it is a future")]
    fn put(&self, _: DeadLetter<&'static str>) -> impl Future<Output = Result<(), BoxError>> + Send {
        assert_ne!(*self, Self::Panics);
        async {
            match self {
                Self::Fails => Err("no room".into()),
                Self::Panics | Self::PanicsLater => panic!("no room"),
                Self::Hangs => pending().await,
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_letter_says_what_is_known_and_the_error_is_returned() {
    let (sink, mut letters) = mpsc::channel(1);
    let layer = DeadLetterLayer::new(ErrorsOnly, sink);
    let counts = layer.counts();
    advance(millis(5)).await;
    assert_eq!(layer.layer(service_fn(fail)).oneshot("order").await, Err(DOWN));
    let letter = letters.try_recv().unwrap();
    assert_eq!((letter.request, letter.verdict, letter.effect), ("order", Verdict::UNKNOWN, Effect::Unknown));
    assert_eq!((&*letter.error_type, letter.attempts.as_ref(), letter.at), ("_OTHER", None, Instant::now()));
    assert!(letter.must_be_verified());
    assert_eq!((counts.kept(), counts.lost()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn only_what_did_not_apply_may_be_replayed_unasked() {
    for (error, effect, error_type) in [
        (Rejection::circuit_open("card", None), Effect::NotApplied, "circuit_open"),
        (Rejection::not_applied("503"), Effect::NotApplied, "not_applied"),
        (Rejection::timeout(secs(1)), Effect::Unknown, "timeout"),
    ] {
        let (sink, mut letters) = mpsc::channel(1);
        let answer: Result<(), Failed> = Err(error.into());
        let service = service_fn(move |_: &str| ready(answer.clone()));
        assert!(DeadLetterLayer::new(ErrorsOnly, sink).layer(service).oneshot("order").await.is_err());
        let letter = letters.try_recv().unwrap();
        assert_eq!((letter.effect, &*letter.error_type), (effect, error_type));
        assert_eq!(letter.must_be_verified(), effect == Effect::Unknown);
    }
}

#[tokio::test(start_paused = true)]
async fn the_letter_says_what_was_tried() {
    let (sink, mut letters) = mpsc::channel(1);
    let policy = RetryPolicy::builder().max_attempts(3).build().unwrap();
    let retry = RetryLayer::new(policy, ErrorsOnly.idempotent(|_: &&'static str| Idempotency::Keyed));
    let service = ServiceBuilder::new().layer(DeadLetterLayer::new(ErrorsOnly, sink)).layer(retry);
    assert_eq!(service.service(service_fn(fail)).oneshot("order").await, Err(DOWN));
    assert_eq!(letters.try_recv().unwrap().attempts.unwrap().count(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_did_not_fail_is_not_kept() {
    for (verdict, is_kept) in [
        (Verdict::Success, false),
        (Verdict::Declined, false),
        (Verdict::Ignored, false),
        (Verdict::throttled(None), true),
        (Verdict::in_progress(None), true),
        (Verdict::Failure(Failure::new(Effect::NotApplied).permanent()), true),
    ] {
        let (sink, mut letters) = mpsc::channel(1);
        let layer = DeadLetterLayer::new(rules_fn(move |_: Result<&&str, &Failed>| verdict), sink);
        assert_eq!(layer.layer(service_fn(fail)).oneshot("order").await, Err(DOWN));
        assert_eq!(letters.try_recv().is_ok(), is_kept, "{verdict:?}");
    }
}

/// As `tower::buffer` hands it on, or as a service that acted and then failed on a call of its own.
#[tokio::test(start_paused = true)]
async fn a_rejection_behind_another_error_is_kept_with_an_unknown_effect() {
    let (sink, mut letters) = mpsc::channel(1);
    let reject = |_: &'static str| async {
        Err::<(), BoxError>(std::io::Error::other(Rejection::circuit_open("mail", None)).into())
    };
    let error = DeadLetterLayer::new(ErrorsOnly, sink).layer(service_fn(reject)).oneshot("order").await.unwrap_err();
    assert_eq!(Rejection::find_in(&*error), Some(&Rejection::circuit_open("mail", None)));
    let letter = letters.try_recv().unwrap();
    assert_eq!((letter.request, letter.verdict, letter.effect), ("order", Verdict::Ignored, Effect::Unknown));
}

#[tokio::test(start_paused = true)]
async fn a_response_that_the_rules_call_a_failure_is_kept_and_returned() {
    let (sink, mut letters) = mpsc::channel(1);
    let layer = DeadLetterLayer::new(rules_fn(|_: Result<&&str, &Failed>| Verdict::UNKNOWN), sink);
    let service = layer.layer(service_fn(|_: &'static str| ready(Ok::<_, Failed>("busy"))));
    assert_eq!(service.oneshot("order").await, Ok("busy"));
    assert!(letters.try_recv().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_request_that_changes_nothing_is_neither_copied_nor_kept() {
    let (sink, mut letters) = mpsc::channel(1);
    let rules = ErrorsOnly.idempotent(|_: &&str| Idempotency::Safe).copy_with(|_| panic!("no copy is needed"));
    let layer = DeadLetterLayer::new(rules, sink);
    assert_eq!(layer.layer(service_fn(fail)).oneshot("order").await, Err(DOWN));
    assert!(letters.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_request_without_a_copy_is_counted_as_lost() {
    let layer = DeadLetterLayer::new(ErrorsOnly.copy_with(|_: &&'static str| None), mpsc::channel(1).0);
    let counts = layer.counts();
    assert_eq!(layer.layer(service_fn(fail)).oneshot("order").await, Err(DOWN));
    assert_eq!((counts.kept(), counts.lost()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_fails_does_not_hide_the_error() {
    for (fate, delay) in [
        (Fate::Fails, Duration::ZERO),
        (Fate::Panics, Duration::ZERO),
        (Fate::PanicsLater, Duration::ZERO),
        (Fate::Hangs, millis(300)),
    ] {
        let begin = Instant::now();
        let layer = DeadLetterLayer::new(ErrorsOnly, fate).timeout(millis(300));
        let counts = layer.counts();
        assert_eq!(layer.layer(service_fn(fail)).oneshot("order").await, Err(DOWN));
        assert_eq!((counts.kept(), counts.lost()), (0, 1), "{fate:?}");
        assert_eq!(begin.elapsed(), delay, "{fate:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_channel_delays_the_error_for_a_second_at_most() {
    let (sink, mut letters) = mpsc::channel(1);
    let layer = DeadLetterLayer::new(ErrorsOnly, sink);
    let counts = layer.counts();
    let send = || layer.layer(service_fn(fail)).oneshot("order");
    assert_eq!(send().await, Err(DOWN));

    let begin = Instant::now();
    assert_eq!(send().await, Err(DOWN));
    assert_eq!((begin.elapsed(), counts.kept(), counts.lost()), (secs(1), 1, 1));

    let mut waits = task::spawn(send());
    assert_pending!(waits.poll());
    letters.try_recv().unwrap();
    assert!(waits.is_woken());
    assert_eq!(assert_ready!(waits.poll()), Err(DOWN));
    assert_eq!((counts.kept(), counts.lost()), (2, 1));

    drop(letters);
    assert_eq!(send().await, Err(DOWN));
    assert_eq!((counts.kept(), counts.lost()), (2, 2), "nobody receives");
}

#[tokio::test(start_paused = true)]
async fn a_letter_that_is_dropped_on_its_way_is_counted_as_lost() {
    let layer = DeadLetterLayer::new(ErrorsOnly, Fate::Hangs);
    let counts = layer.counts();
    assert!(timeout(millis(10), layer.layer(service_fn(fail)).oneshot("order")).await.is_err());
    assert_eq!((counts.kept(), counts.lost()), (0, 1));
}

/// A sink that others share as well.
#[derive(Default)]
struct Drawer(Mutex<Vec<&'static str>>);

impl Sink<&'static str> for Drawer {
    async fn put(&self, letter: DeadLetter<&'static str>) -> Result<(), BoxError> {
        self.0.lock().expect("the test arranged it").push(letter.request);
        Ok(())
    }
}

/// Outermost: what the total timeout ends is kept as well.
#[tokio::test(start_paused = true)]
async fn what_the_timeout_below_ends_is_kept() {
    let drawer = Arc::new(Drawer::default());
    let service = ServiceBuilder::new()
        .layer(DeadLetterLayer::new(ErrorsOnly, Arc::clone(&drawer)))
        .layer(TimeoutLayer::new(secs(1)))
        .service(service_fn(|_: &'static str| pending::<Result<(), Failed>>()));
    assert!(service.oneshot("order").await.unwrap_err().is_timeout());
    assert_eq!(*drawer.0.lock().unwrap(), ["order"]);
}

#[tokio::test(start_paused = true)]
async fn a_letter_that_is_kept_and_one_that_is_lost_are_traced() {
    let (listener, _listening) = listen();
    let drawer = DeadLetterLayer::new(ErrorsOnly, Arc::new(Drawer::default()));
    let full = DeadLetterLayer::new(ErrorsOnly, Fate::Fails);
    let _ = drawer.layer(service_fn(fail)).oneshot("order").await;
    let _ = full.layer(service_fn(fail)).oneshot("order").await;
    assert_eq!(
        listener.heard(),
        [
            r#"DEBUG dead letter kept error_type="_OTHER" effect="unknown""#,
            r#"ERROR dead letter lost error_type="_OTHER" effect="unknown" reason="failed" detail="no room""#,
        ]
    );
}
