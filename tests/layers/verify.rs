//! A failed request is asked about, voided or left unsettled; nothing is repeated.

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use windbreak::rules::{ErrorsOnly, Idempotency, rules_fn};
use windbreak::verify::{Failed, Reason, Unsettled};
use windbreak::{
    Circuit, CircuitBreakerLayer, Effect, Error, Failure, Rejection, RetryLayer, RetryPolicy, TimeoutLayer, Verdict,
    Verified, VerifyLayer,
};

use crate::saga::events::listen;
use crate::support::{Flag, Log, millis, secs};

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Answer = Result<&'static str, Error<&'static str>>;
type Said = Result<Verified<&'static str>, BoxError>;
type Verify = VerifyLayer<ErrorsOnly, &'static str, &'static str>;

/// What was handed to `on_unsettled`.
#[derive(Clone, Default)]
struct Parked(Arc<Mutex<Vec<Unsettled<&'static str>>>>);

impl Parked {
    fn put(&self) -> impl Fn(Unsettled<&'static str>) + Send + Sync + 'static {
        let parked = self.clone();
        move |unsettled| parked.0.lock().expect("the test arranged it").push(unsettled)
    }

    fn take(&self) -> Vec<Unsettled<&'static str>> {
        std::mem::take(&mut self.0.lock().expect("the test arranged it"))
    }

    #[track_caller]
    fn one(&self) -> Unsettled<&'static str> {
        let [one] = self.take().try_into().expect("one was parked");
        one
    }
}

/// Asks at once, and hears each of `said` in turn; the questions are noted.
fn hearing(said: impl IntoIterator<Item = Said>, asked: &Log) -> Verify {
    let said = Mutex::new(said.into_iter().collect::<Vec<_>>().into_iter());
    let asked = asked.clone();
    let ask = move |request: &'static str, failed: Failed| {
        assert_eq!((request, &*failed.error_type), ("order", "_OTHER"));
        assert_eq!(failed.asked_before as usize + 1, asked.note());
        let next = said.lock().expect("the test arranged it").next().expect("it is not asked more often");
        async move { next }
    };
    VerifyLayer::new(ErrorsOnly, ask).after(Duration::ZERO)
}

/// An upstream that fails; its calls are noted.
fn failing(
    calls: &Log,
) -> impl Service<&'static str, Response = &'static str, Error = Error<&'static str>, Future: Send> + Clone + use<> {
    let calls = calls.clone();
    service_fn(move |_| {
        calls.note();
        async { Err(Error::Service("reset")) }
    })
}

async fn outcome(layer: Verify) -> Answer {
    layer.layer(failing(&Log::default())).oneshot("order").await
}

fn not_applied() -> Answer {
    Err(Rejection::not_applied("_OTHER").into())
}

#[tokio::test(start_paused = true)]
async fn what_was_applied_is_the_response() {
    let asked = Log::default();
    assert_eq!(outcome(hearing([Ok(Verified::Applied("receipt"))], &asked)).await, Ok("receipt"));
    assert_eq!(asked.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_not_applied_is_a_rejection_that_says_what_had_failed() {
    let error = outcome(hearing([Ok(Verified::NotApplied)], &Log::default())).await.unwrap_err();
    assert_eq!(error.rejection(), Some(&Rejection::not_applied("_OTHER")));
    assert_eq!(Verdict::from(error.rejection().unwrap()), Verdict::Failure(Failure::new(Effect::NotApplied)));
}

#[tokio::test(start_paused = true)]
async fn in_progress_is_asked_again_after_a_pause() {
    let asked = Log::default();
    let wait = Some(secs(3));
    let said = [Ok(Verified::in_progress(None)), Ok(Verified::in_progress(wait)), Ok(Verified::Applied("receipt"))];
    assert_eq!(outcome(hearing(said, &asked)).await, Ok("receipt"));
    let [first, second] = asked.pauses().try_into().unwrap();
    assert!((millis(100)..=millis(201)).contains(&first), "{first:?}");
    assert!((millis(3200)..=millis(3401)).contains(&second), "what the upstream said, and the backoff: {second:?}");
}

/// The caller waits meanwhile, and has no deadline.
#[tokio::test(start_paused = true)]
async fn an_upstream_that_asks_for_a_century_is_asked_again_after_a_minute() {
    let (asked, parked) = (Log::default(), Parked::default());
    let century = || Ok(Verified::in_progress(Some(Duration::MAX)));
    let layer = hearing([century(), century(), century()], &asked).on_unsettled(parked.put());
    assert_eq!(timeout(secs(125), outcome(layer)).await, Ok(Err(Error::Service("reset"))));
    assert_eq!((asked.count(), parked.one().reason), (3, Reason::InProgress));
}

#[tokio::test(start_paused = true)]
async fn in_progress_to_the_end_is_unsettled() {
    let parked = Parked::default();
    let said = [Ok(Verified::in_progress(None)), Ok(Verified::in_progress(None))];
    let layer = hearing(said, &Log::default()).attempts(2).on_unsettled(parked.put());
    assert_eq!(outcome(layer).await, Err(Error::Service("reset")));
    let unsettled = parked.one();
    assert_eq!((unsettled.request, &*unsettled.error_type), (Some("order"), "_OTHER"));
    assert_eq!((unsettled.reason, unsettled.void_error), (Reason::InProgress, None));
}

#[tokio::test(start_paused = true)]
async fn the_question_comes_after_the_pause() {
    let begin = Instant::now();
    let layer = hearing([Ok(Verified::NotApplied)], &Log::default()).after(millis(700));
    assert_eq!(outcome(layer).await, not_applied());
    assert_eq!(begin.elapsed(), millis(700));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_or_failed_question_leaves_the_failure_and_is_not_repeated() {
    for (said, reason) in [(Ok(Verified::Unknown), "unknown"), (Err("down".into()), "failed")] {
        let (asked, parked) = (Log::default(), Parked::default());
        let layer = hearing([said], &asked).on_unsettled(parked.put());
        assert_eq!(outcome(layer).await, Err(Error::Service("reset")));
        assert_eq!(asked.count(), 1);
        assert_eq!(parked.one().reason.as_str(), reason);
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_that_panics_or_hangs_leaves_the_failure() {
    let at_once = |_: &'static str, _| -> std::future::Ready<Said> { panic!("no such order") };
    let later = |_: &'static str, _| async { if true { panic!("no such order") } else { Said::Ok(Verified::Unknown) } };
    let hangs = |_: &'static str, _| pending::<Said>();
    let layers: [(Verify, &str); 3] = [
        (VerifyLayer::new(ErrorsOnly, at_once), "panicked"),
        (VerifyLayer::new(ErrorsOnly, later), "panicked"),
        (VerifyLayer::new(ErrorsOnly, hangs).timeout(secs(4)), "timed_out"),
    ];
    for (layer, reason) in layers {
        let parked = Parked::default();
        assert_eq!(outcome(layer.on_unsettled(parked.put())).await, Err(Error::Service("reset")));
        let unsettled = parked.one();
        assert_eq!(unsettled.reason.as_str(), reason);
        if reason == "panicked" {
            assert_eq!(unsettled.reason.to_string(), "the question panicked: no such order");
        } else {
            assert_eq!(unsettled.reason.to_string(), "the question was not answered within 4s");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_void_that_succeeds_is_not_applied() {
    let voided = Log::default();
    for said in [Ok(Verified::Unknown), Err("down".into()), Ok(Verified::in_progress(None))] {
        let (parked, seen) = (Parked::default(), voided.clone());
        let void = move |request| {
            assert_eq!(request, "order");
            seen.note();
            async { Ok::<(), BoxError>(()) }
        };
        let layer = hearing([said], &Log::default()).attempts(1).or_void(void).on_unsettled(parked.put());
        assert_eq!(outcome(layer).await, not_applied());
        assert!(parked.take().is_empty());
    }
    assert_eq!(voided.count(), 3);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_voided_that_was_settled() {
    for said in [Verified::Applied("receipt"), Verified::NotApplied] {
        let layer = hearing([Ok(said)], &Log::default())
            .or_void(|_| async { panic!("nothing to void") as Result<(), BoxError> });
        assert_ne!(outcome(layer).await, Err(Error::Service("reset")));
    }
}

#[tokio::test(start_paused = true)]
async fn a_void_that_fails_leaves_the_failure() {
    let unknown = || hearing([Ok(Verified::Unknown)], &Log::default());
    let fails = unknown().or_void(|_| async { Err::<(), BoxError>("no".into()) });
    let panics = unknown().or_void(|_| -> std::future::Ready<Result<(), BoxError>> { panic!("no") });
    let hangs = unknown().or_void(|_| pending::<Result<(), BoxError>>());
    for (layer, said) in [(fails, "no"), (panics, "panicked: no"), (hangs, "no response within 2s")] {
        let parked = Parked::default();
        assert_eq!(outcome(layer.on_unsettled(parked.put())).await, Err(Error::Service("reset")));
        let unsettled = parked.one();
        assert_eq!((unsettled.reason, unsettled.void_error.as_deref()), (Reason::Unknown, Some(said)));
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_question_it_voids_at_once() {
    let begin = Instant::now();
    let asked = Log::default();
    let layer = hearing([], &asked).after(secs(1)).attempts(0).or_void(|_| async { Ok::<(), BoxError>(()) });
    assert_eq!(outcome(layer).await, not_applied());
    assert_eq!((asked.count(), begin.elapsed()), (0, Duration::ZERO));
}

/// The layers above would send the request again.
#[tokio::test(start_paused = true)]
async fn an_applied_response_that_the_rules_call_a_failure_is_unknown() {
    let rules = rules_fn(|result: Result<&&str, &Error<&str>>| match result {
        Ok(&"busy") => Verdict::Failure(Failure::new(Effect::NotApplied)),
        Ok(&"declined") => Verdict::Declined,
        Ok(_) => Verdict::Success,
        Err(_) => Verdict::UNKNOWN,
    });
    for (found, expected) in [("busy", Err(Error::Service("reset"))), ("declined", Ok("declined"))] {
        let layer = VerifyLayer::new(rules, move |_, _| async move { Said::Ok(Verified::Applied(found)) });
        assert_eq!(layer.layer(failing(&Log::default())).oneshot("order").await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn it_asks_about_unknown_effects_only() {
    let fates = [
        (Verdict::Success, false),
        (Verdict::Declined, false),
        (Verdict::Ignored, false),
        (Verdict::Failure(Failure::new(Effect::NotApplied)), false),
        (Verdict::throttled(None), false),
        (Verdict::UNKNOWN, true),
        (Verdict::Failure(Failure::new(Effect::Unknown).permanent()), true),
        (Verdict::in_progress(None), true),
    ];
    for (verdict, asks) in fates {
        let rules = rules_fn(
            move |result: Result<&&str, &Error<&str>>| {
                if result == Ok(&"receipt") { Verdict::Success } else { verdict }
            },
        );
        let layer = VerifyLayer::new(rules, |_, _| async { Said::Ok(Verified::Applied("receipt")) });
        let answer = layer.layer(failing(&Log::default())).oneshot("order").await;
        assert_eq!(answer == Ok("receipt"), asks, "{verdict:?}");
    }
}

/// It may be that of a service which acted, and then failed on a call of its own.
#[tokio::test(start_paused = true)]
async fn it_asks_about_a_rejection_behind_another_error() {
    let rejection = Rejection::circuit_open("mail", None);
    let behind: fn(Rejection) -> BoxError = |rejection| std::io::Error::other(rejection).into();
    for (error, asks) in [(behind, true), (BoxError::from, false)] {
        let (parked, rejection) = (Parked::default(), rejection.clone());
        let layer =
            VerifyLayer::new(ErrorsOnly, |_, _| async { Said::Ok(Verified::Unknown) }).on_unsettled(parked.put());
        let reject = service_fn(move |_| std::future::ready(Err::<&'static str, _>(error(rejection.clone()))));
        layer.layer(reject).oneshot("order").await.unwrap_err();
        assert_eq!(parked.take().len(), usize::from(asks));
    }
}

/// A request that counts its copies.
#[derive(Debug, Default)]
struct Counted(Arc<AtomicUsize>);

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.0.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&self.0))
    }
}

#[tokio::test(start_paused = true)]
async fn a_safe_request_is_neither_copied_nor_asked_about() {
    for (idempotency, copies) in
        [(Idempotency::Safe, 0), (Idempotency::Idempotent, 1), (Idempotency::Keyed, 1), (Idempotency::NotIdempotent, 1)]
    {
        let rules = ErrorsOnly.idempotent(move |_: &Counted| idempotency);
        let layer = VerifyLayer::new(rules, |_, _| async { Said::Ok(Verified::Applied("receipt")) });
        let request = Counted::default();
        let count = Arc::clone(&request.0);
        let healthy = layer.layer(service_fn(|_: Counted| async { Ok::<_, Error<&str>>("fine") }));
        assert_eq!(healthy.oneshot(request).await, Ok("fine"));
        assert_eq!(count.load(Ordering::Relaxed), copies, "{idempotency:?}");

        let failing = layer.layer(service_fn(|_: Counted| async { Err(Error::Service("reset")) }));
        let answer = failing.oneshot(Counted::default()).await;
        assert_eq!(answer.is_ok(), copies > 0, "{idempotency:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_without_a_copy_is_unsettled_at_once() {
    let begin = Instant::now();
    let parked = Parked::default();
    let rules = ErrorsOnly.copy_with(|_: &&'static str| None);
    let layer = VerifyLayer::new(rules, |_, _| async { Said::Ok(Verified::Applied("receipt")) });
    let layer = layer.or_void(|_| async { Ok::<(), BoxError>(()) }).on_unsettled(parked.put());
    assert_eq!(layer.layer(failing(&Log::default())).oneshot("order").await, Err(Error::Service("reset")));
    let unsettled = parked.one();
    assert_eq!((unsettled.request, unsettled.reason), (None, Reason::NoCopy));
    assert_eq!(begin.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn dropped_while_asking_it_repeats_nothing_and_tells() {
    let (calls, parked, flag) = (Log::default(), Parked::default(), Flag::default());
    let asking = flag.clone();
    let layer = VerifyLayer::new(ErrorsOnly, move |_, _| {
        let guard = asking.raised_on_drop();
        async move {
            let _guard = guard;
            pending::<Said>().await
        }
    });
    let service = layer.on_unsettled(parked.put()).layer(failing(&calls));
    assert!(timeout(secs(1), service.oneshot("order")).await.is_err());
    assert!(flag.is_raised());
    sleep(secs(10)).await;
    assert_eq!(calls.count(), 1);
    assert_eq!(parked.one().reason, Reason::Dropped);
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_on_unsettled_does_not_hide_the_failure() {
    let layer = hearing([Ok(Verified::Unknown)], &Log::default()).on_unsettled(|_| panic!("nobody is there"));
    assert_eq!(outcome(layer).await, Err(Error::Service("reset")));
}

/// And it learns of the deadline, and the caller of what had failed.
#[tokio::test(start_paused = true)]
async fn the_question_runs_within_the_deadline() {
    let parked = Parked::default();
    let layer = VerifyLayer::new(ErrorsOnly, |_, _| async {
        assert_eq!(windbreak::deadline().unwrap() - Instant::now(), millis(500));
        pending::<Said>().await
    });
    let service = ServiceBuilder::new()
        .layer(TimeoutLayer::new(secs(1)))
        .layer(layer.on_unsettled(parked.put()))
        .service(failing(&Log::default()));
    assert_eq!(service.oneshot("order").await, Err(Error::Service("reset")));
    assert_eq!(parked.one().reason.to_string(), "the question was not answered within 500ms");
}

#[tokio::test(start_paused = true)]
async fn a_question_that_could_not_come_before_the_deadline_is_not_asked() {
    for (void, expected) in [(false, Err(Error::Service("reset"))), (true, not_applied())] {
        let (begin, asked, parked) = (Instant::now(), Log::default(), Parked::default());
        let mut layer = hearing([], &asked).after(secs(1)).on_unsettled(parked.put());
        if void {
            layer = layer.or_void(|_| async { Ok::<(), BoxError>(()) });
        }
        let service =
            ServiceBuilder::new().layer(TimeoutLayer::new(secs(1))).layer(layer).service(failing(&Log::default()));
        assert_eq!(service.oneshot("order").await, expected);
        assert_eq!((asked.count(), begin.elapsed()), (0, Duration::ZERO));
        assert_eq!(parked.take().pop().map(|unsettled| unsettled.reason), (!void).then_some(Reason::NoTime));
    }
}

#[tokio::test(start_paused = true)]
async fn below_retry_only_what_did_nothing_is_sent_again() {
    let retry = || {
        let policy = RetryPolicy::builder().max_attempts(3).build().unwrap();
        RetryLayer::new(policy, ErrorsOnly)
    };
    let (calls, asked) = (Log::default(), Log::default());
    let said = [Ok(Verified::NotApplied), Ok(Verified::Unknown)];
    let said = Mutex::new(said.into_iter());
    let seen = asked.clone();
    let layer = VerifyLayer::new(ErrorsOnly, move |_, _| {
        seen.note();
        let next: Said = said.lock().unwrap().next().unwrap();
        async move { next }
    });
    let service = ServiceBuilder::new().layer(retry()).layer(layer).service(failing(&calls));
    assert_eq!(service.oneshot("order").await, Err(Error::Service("reset")));
    assert_eq!((calls.count(), asked.count()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn above_retry_it_asks_once_at_the_end() {
    let (calls, asked) = (Log::default(), Log::default());
    let policy = RetryPolicy::builder().max_attempts(3).build().unwrap();
    let rules = ErrorsOnly.idempotent(|_: &&'static str| Idempotency::Keyed);
    let service = ServiceBuilder::new()
        .layer(hearing([Ok(Verified::Applied("receipt"))], &asked))
        .layer(RetryLayer::new(policy, rules))
        .service(failing(&calls));
    assert_eq!(service.oneshot("order").await, Ok("receipt"));
    assert_eq!((calls.count(), asked.count()), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn the_question_is_not_counted_by_the_breaker() {
    let circuit = Circuit::builder("card").build().unwrap();
    let layer = hearing([Err("down".into())], &Log::default());
    let service = ServiceBuilder::new()
        .layer(layer)
        .layer(CircuitBreakerLayer::new(circuit.clone(), ErrorsOnly))
        .service(failing(&Log::default()));
    assert!(service.oneshot("order").await.is_err());
    assert_eq!(circuit.snapshot().tally.calls, 1);
}

#[tokio::test(start_paused = true)]
async fn the_first_question_waits_for_what_an_upstream_in_progress_says() {
    let rules = rules_fn(|result: Result<&&str, &Error<&str>>| match result {
        Ok(_) => Verdict::Success,
        Err(_) => Verdict::in_progress(Some(secs(3))),
    });
    for (after, waited) in [(Duration::ZERO, secs(3)), (secs(7), secs(7))] {
        let begin = Instant::now();
        let layer = VerifyLayer::new(rules, |_, _| async { Said::Ok(Verified::Applied("receipt")) }).after(after);
        assert_eq!(layer.layer(failing(&Log::default())).oneshot("order").await, Ok("receipt"));
        assert_eq!(begin.elapsed(), waited);
    }
}

#[tokio::test(start_paused = true)]
async fn a_further_question_that_could_not_come_before_the_deadline_is_not_asked() {
    let (begin, parked) = (Instant::now(), Parked::default());
    let layer = hearing([Ok(Verified::in_progress(Some(secs(9))))], &Log::default()).on_unsettled(parked.put());
    let service =
        ServiceBuilder::new().layer(TimeoutLayer::new(secs(5))).layer(layer).service(failing(&Log::default()));
    assert_eq!(service.oneshot("order").await, Err(Error::Service("reset")));
    assert_eq!((parked.one().reason, begin.elapsed()), (Reason::NoTime, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn what_was_settled_and_what_was_not_is_traced() {
    let (listener, _listening) = listen();
    let _ = outcome(hearing([Ok(Verified::NotApplied)], &Log::default())).await;
    let void = |_| async { Err::<(), BoxError>("no".into()) };
    let layer = hearing([Err("down".into())], &Log::default()).or_void(void).on_unsettled(|_| panic!("nobody"));
    let _ = outcome(layer).await;
    assert_eq!(
        listener.heard(),
        [
            r#"DEBUG request settled error_type="_OTHER" outcome="not_applied""#,
            r#"WARN request unsettled error_type="_OTHER" reason="failed" detail=the question failed: down void_error="no""#,
            r#"ERROR could not hand over an unsettled request error_type="_OTHER" panic="nobody""#,
        ]
    );
}
