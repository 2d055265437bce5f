//! A further attempt that our own layers reject.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use windbreak::backoff::{Backoff, Jitter};
use windbreak::retry::{RetryBudget, RetryPolicyBuilder};
use windbreak::rules::{
    Classify, Discard, Discarding, ErrorsOnly, Idempotency, Repeat, Replay, RulesFn, WithIdempotency, rules_fn,
};
use windbreak::{
    Circuit, CircuitBreakerLayer, Effect, Failure, Rejection, RetryLayer, RetryPolicy, TimeoutLayer, Verdict,
};

use crate::support::{Log, Steered, millis, secs};

type Error = windbreak::Error<&'static str>;
type Answer = Result<&'static str, Error>;

fn eager() -> RetryPolicyBuilder {
    RetryPolicy::builder().budget(RetryBudget::unlimited()).backoff(millis(10))
}

/// Responses that begin with "busy" are failures, and so are all errors but rejections.
fn rules(
    idempotency: Idempotency,
) -> WithIdempotency<
    RulesFn<&'static str, Error, impl Fn(Result<&&'static str, &Error>) -> Verdict + Clone>,
    (),
    impl Fn(&()) -> Idempotency + Clone,
> {
    rules_fn(|result: Result<&&'static str, &Error>| match result {
        Ok(&"busy") => Verdict::UNKNOWN,
        Ok(&"busy, and did nothing") | Err(Error::Service("refused")) => {
            Verdict::Failure(Failure::new(Effect::NotApplied))
        }
        Ok(_) => Verdict::Success,
        Err(error) => error.rejection().map_or(Verdict::UNKNOWN, Verdict::from),
    })
    .idempotent(move |()| idempotency)
}

/// An upstream that answers each attempt as the script says, and notes it.
fn scripted<I: IntoIterator<Item = Answer>>(
    script: I,
    log: &Log,
) -> impl Service<(), Response = &'static str, Error = Error> + Clone + use<I> {
    let (script, log): (Arc<[Answer]>, _) = (script.into_iter().collect(), log.clone());
    service_fn(move |()| std::future::ready(script[log.note() - 1].clone()))
}

/// Sends a keyed request whose attempts end as the script says.
async fn send(script: impl IntoIterator<Item = Answer>) -> (Answer, Log) {
    let log = Log::default();
    let layer = RetryLayer::new(eager().build().expect("valid"), rules(Idempotency::Keyed));
    (layer.layer(scripted(script, &log)).oneshot(()).await, log)
}

fn open(retry_after: Option<Duration>) -> Answer {
    Err(Rejection::circuit_open("upstream", retry_after).into())
}

/// Behind another error, a rejection does not prove that nothing was sent, and says nothing either.
#[tokio::test(start_paused = true)]
async fn an_error_that_says_nothing_does_not_hide_an_attempt_that_may_have_had_an_effect() {
    type BoxError = Box<dyn std::error::Error + Send + Sync>;

    #[derive(Debug, thiserror::Error)]
    #[error("the order was not placed")]
    struct Wrapped(#[source] Rejection);

    for (idempotency, says) in [(Idempotency::Keyed, "reset"), (Idempotency::Safe, "the order was not placed")] {
        let log = Log::default();
        let noted = log.clone();
        let upstream = service_fn(move |()| {
            let error: BoxError = match noted.note() {
                1 => "reset".into(),
                _ => Wrapped(Rejection::circuit_open("upstream", None)).into(),
            };
            std::future::ready(Err::<(), _>(error))
        });
        let rules = ErrorsOnly.idempotent(move |(): &()| idempotency);
        let layer = RetryLayer::new(eager().build().unwrap(), rules);
        let error = layer.layer(upstream).oneshot(()).await.unwrap_err();
        assert_eq!((log.count(), error.to_string()), (2, says.to_owned()));
    }

    // The caller's own mistake, where an attempt before it got a response.
    let rules = rules_fn(|result: Result<&&'static str, &Error>| match result {
        Ok(&"busy") => Verdict::UNKNOWN,
        Ok(_) => Verdict::Success,
        Err(Error::Service("body")) => Verdict::Ignored,
        Err(error) => error.rejection().map_or(Verdict::UNKNOWN, Verdict::from),
    })
    .idempotent(|(): &()| Idempotency::Keyed);
    let upstream = scripted([Ok("busy"), Err(Error::Service("body"))], &Log::default());
    let error = RetryLayer::new(eager().build().unwrap(), rules).layer(upstream).oneshot(()).await.unwrap_err();
    assert_eq!(error.rejection().map(Rejection::effect), Some(Effect::Unknown), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_rejection_does_not_hide_the_error_of_an_attempt_that_was_sent() {
    for rejection in [
        Rejection::circuit_open("upstream", None),
        Rejection::circuit_open("upstream", Some(secs(1))),
        Rejection::bulkhead_full(1),
        Rejection::bulkhead_timeout(1, secs(1)),
        Rejection::rate_limited(Some(secs(1))),
    ] {
        let (answer, log) = send([Err(Error::Service("reset")), Err(rejection.clone().into())]).await;
        let error = answer.unwrap_err();
        assert_eq!((error.service(), log.count()), (Some(&"reset"), 2));
        assert!(!error.is_circuit_open());
        let attempts = error.attempts().unwrap();
        assert_eq!((attempts.count(), attempts.stopped_by()), (1, Some(&rejection)));
        assert_eq!(attempts.reasons().collect::<Vec<_>>(), ["_OTHER"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_timeout_is_not_hidden_by_an_open_circuit() {
    let (answer, _) = send([Err(Rejection::timeout(secs(1)).into()), open(None)]).await;
    let error = answer.unwrap_err();
    assert!(error.is_timeout());
    assert_eq!(ErrorsOnly.classify(Err::<&(), _>(&error)), Verdict::UNKNOWN);
}

#[tokio::test(start_paused = true)]
async fn where_the_response_is_discarded_a_rejection_of_its_own_says_what_was_sent() {
    let (answer, log) = send([Ok("busy"), Ok("busy"), open(None)]).await;
    let error = answer.unwrap_err();
    let stopped_by = Rejection::circuit_open("upstream", None);
    let expected = Rejection::retry_stopped(2, "_OTHER", Effect::Unknown, stopped_by.clone());
    assert_eq!((error.rejection(), log.count()), (Some(&expected), 3));
    assert!(!error.is_circuit_open());
    assert_eq!(error.attempts().unwrap().stopped_by(), Some(&stopped_by));
    assert_eq!(error.attempts().unwrap().count(), 2);
}

/// The effect is that of all attempts, whichever came last.
#[tokio::test(start_paused = true)]
async fn one_attempt_that_may_have_taken_effect_is_enough() {
    let nothing = "busy, and did nothing";
    for (script, effect) in [
        ([nothing, nothing], Effect::NotApplied),
        (["busy", nothing], Effect::Unknown),
        ([nothing, "busy"], Effect::Unknown),
    ] {
        let (answer, _) = send(script.map(Ok).into_iter().chain([open(None)])).await;
        let rejection = answer.unwrap_err().rejection().cloned().unwrap();
        assert_eq!((rejection.effect(), rejection.as_str()), (effect, "retry_stopped"));
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_error_that_was_sent_is_the_one_that_is_returned() {
    let (answer, _) = send([Err(Error::Service("first")), Err(Error::Service("second")), open(None)]).await;
    assert_eq!(answer.unwrap_err().into_service(), Ok("second"));
    let (answer, _) = send([Ok("busy"), Err(Error::Service("second")), open(None)]).await;
    assert_eq!(answer.unwrap_err().into_service(), Ok("second"));
    let (answer, _) = send([Err(Error::Service("first")), Ok("busy"), open(None)]).await;
    assert_eq!(answer.unwrap_err().rejection().unwrap().as_str(), "retry_stopped");
}

/// That the last attempt was refused says nothing of the one before, which may have taken effect.
#[tokio::test(start_paused = true)]
async fn an_attempt_without_effect_does_not_hide_one_that_may_have_had_one() {
    let refused = || Err(Error::Service("refused"));
    let (answer, _) = send([Err(Error::Service("reset")), refused(), refused()]).await;
    let error = answer.unwrap_err();
    assert_eq!((error.service(), error.attempts().unwrap().count()), (Some(&"reset"), 3));

    let (answer, _) = send([Ok("busy"), refused(), refused()]).await;
    let error = answer.unwrap_err();
    assert_eq!(error.rejection().unwrap().as_str(), "retry_stopped");
    assert_eq!(error.rejection().unwrap().effect(), Effect::Unknown);

    let (answer, _) = send([refused(), refused(), Err(Error::Service("reset"))]).await;
    assert_eq!(answer.unwrap_err().into_service(), Ok("reset"));

    // Nor does a response hide it that says so of the last attempt alone.
    let idle = || Ok("busy, and did nothing");
    let (answer, _) = send([Err(Error::Service("reset")), idle(), idle()]).await;
    let error = answer.unwrap_err();
    assert_eq!((error.service(), error.attempts().unwrap().count()), (Some(&"reset"), 3));

    let (answer, _) = send([Ok("busy"), idle(), idle()]).await;
    let error = answer.unwrap_err();
    assert_eq!(error.rejection().unwrap().as_str(), "retry_stopped");
    assert_eq!(error.rejection().unwrap().effect(), Effect::Unknown);

    let (answer, _) = send([idle(), idle(), idle()]).await;
    assert_eq!(answer, idle());

    // What changes nothing has no effect that could be hidden: its last result is the truest.
    let layer = RetryLayer::new(eager().max_attempts(2).build().unwrap(), rules(Idempotency::Safe));
    let upstream = scripted([Err(Error::Service("reset")), refused()], &Log::default());
    assert_eq!(layer.layer(upstream).oneshot(()).await.unwrap_err().into_service(), Ok("refused"));
}

/// Rules that note which responses were discarded.
#[derive(Clone, Default)]
struct Collecting(Arc<Mutex<Vec<&'static str>>>);

impl Classify<&'static str, Error> for Collecting {
    fn classify(&self, result: Result<&&'static str, &Error>) -> Verdict {
        rules(Idempotency::Keyed).classify(result)
    }
}

impl Repeat<()> for Collecting {
    fn idempotency(&self, (): &()) -> Idempotency {
        Idempotency::Keyed
    }
}

impl Replay<()> for Collecting {
    fn copy(&self, (): &()) -> Option<()> {
        Some(())
    }
}

impl Discard<&'static str> for Collecting {
    fn discard(&self, response: &'static str) -> Option<Discarding> {
        let discarded = Arc::clone(&self.0);
        Some(Discarding::new(async move { discarded.lock().expect("no test panics with it").push(response) }))
    }
}

/// Else its connection would be closed, as that of the attempts before it is not.
#[tokio::test(start_paused = true)]
async fn a_last_response_is_discarded_where_what_is_known_of_an_earlier_attempt_is_returned() {
    let idle = "busy, and did nothing";
    for (first, last, discarded) in [
        (Err(Error::Service("reset")), Ok(idle), &[idle][..]),
        (Ok("busy"), Ok(idle), &["busy", idle]),
        (Ok("busy"), Err(Error::Service("refused")), &["busy"]),
        (Ok("busy"), Ok("well"), &["busy"]),
    ] {
        let rules = Collecting::default();
        let layer = RetryLayer::new(eager().max_attempts(2).build().unwrap(), rules.clone());
        let result = layer.layer(scripted([first, last.clone()], &Log::default())).oneshot(()).await;
        assert_eq!((result.is_ok(), &**rules.0.lock().unwrap()), (last == Ok("well"), discarded));
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_attempt_that_is_rejected_is_not_repeated() {
    for wait_for_circuit in [false, true] {
        let log = Log::default();
        let policy = eager().wait_for_circuit(wait_for_circuit).build().unwrap();
        let layer = RetryLayer::new(policy, rules(Idempotency::Safe));
        let start = Instant::now();
        let answer = layer.layer(scripted([open(Some(secs(1)))], &log)).oneshot(()).await;
        assert_eq!((answer, start.elapsed()), (open(Some(secs(1))), Duration::ZERO));
    }
}

/// Sends a request that waits for circuits, and returns what it took.
async fn wait(policy: RetryPolicyBuilder, script: impl IntoIterator<Item = Answer>) -> (Answer, Log, Duration) {
    let (log, start) = (Log::default(), Instant::now());
    let layer = RetryLayer::new(policy.wait_for_circuit(true).build().expect("valid"), rules(Idempotency::Keyed));
    let answer = layer.layer(scripted(script, &log)).oneshot(()).await;
    (answer, log, start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_further_attempt_waits_as_long_as_the_rejection_says_and_the_backoff() {
    for rejection in [Rejection::circuit_open("upstream", Some(secs(3))), Rejection::rate_limited(Some(secs(3)))] {
        let script = [Err(Error::Service("reset")), Err(rejection.into()), Ok("done")];
        let (answer, _, elapsed) = wait(eager(), script).await;
        assert_eq!((answer, elapsed), (Ok("done"), millis(3_020)));
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_was_rejected_uses_up_none_that_may_be_sent() {
    let script = [Err(Error::Service("1")), open(Some(secs(1))), Err(Error::Service("2"))];
    let (answer, log, _) = wait(eager().max_attempts(2), script).await;
    let error = answer.unwrap_err();
    assert_eq!((error.service(), log.count(), error.attempts().unwrap().count()), (Some(&"2"), 3, 2));
}

#[tokio::test(start_paused = true)]
async fn it_waits_at_most_three_times_one_after_the_other() {
    let script = || std::iter::once(Err(Error::Service("reset"))).chain((0..9).map(|_| open(Some(secs(1)))));
    let (answer, log, _) = wait(eager(), script()).await;
    assert_eq!((answer.unwrap_err().into_service(), log.count()), (Ok("reset"), 1 + 4));

    let script = script().take(4).chain(script().take(4)).chain([Ok("done")]);
    let (answer, log, _) = wait(eager(), script).await;
    assert_eq!((answer, log.count()), (Ok("done"), 9));
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_too_long_does_not_begin() {
    let script = || [Err(Error::Service("reset")), open(Some(secs(3))), Ok("done")];
    for policy in [eager().max_retry_after(secs(2)), eager().max_elapsed(secs(3))] {
        let (answer, _, elapsed) = wait(policy, script()).await;
        assert_eq!((answer.unwrap_err().into_service(), elapsed), (Ok("reset"), millis(10)));
    }
    let start = Instant::now();
    let within = async |limit| {
        let layer = RetryLayer::new(eager().wait_for_circuit(true).build().unwrap(), rules(Idempotency::Keyed));
        let client = ServiceBuilder::new().layer(TimeoutLayer::new(limit)).layer(layer);
        client.service(scripted(script(), &Log::default())).oneshot(()).await
    };
    assert_eq!(within(secs(3)).await.unwrap_err().into_service(), Ok("reset"));
    assert_eq!(start.elapsed(), millis(10));
    assert_eq!(within(secs(4)).await, Ok("done"));
}

/// A service that fails, and opens its circuit by it.
fn breaking(policy: RetryPolicyBuilder, log: &Log) -> impl Service<(), Response = (), Error = Error> + Clone + use<> {
    let circuit =
        Circuit::builder("upstream").count_window(1).minimum_calls(1).open_for(secs(2)).build().expect("valid");
    let log = log.clone();
    ServiceBuilder::new()
        .layer(RetryLayer::new(policy.build().expect("valid"), ErrorsOnly.idempotent(|()| true)))
        .layer(CircuitBreakerLayer::new(circuit, ErrorsOnly))
        .service(service_fn(move |()| {
            let failed = log.note() == 1;
            async move {
                sleep(millis(1)).await;
                if failed { Err(Error::Service("reset")) } else { Ok(()) }
            }
        }))
}

#[tokio::test(start_paused = true)]
async fn no_pause_begins_that_can_only_end_with_the_rejection() {
    let (log, start) = (Log::default(), Instant::now());
    let answer = breaking(eager().backoff(secs(1)), &log).oneshot(()).await;
    assert_eq!((answer, start.elapsed()), (Err(Error::Service("reset")), millis(1)));

    let answer = breaking(eager().backoff(secs(3)), &Log::default()).oneshot(()).await;
    assert_eq!(answer, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_waits_for_circuits_pauses_until_the_one_that_opens_is_half_open() {
    let start = Instant::now();
    let client = breaking(eager().wait_for_circuit(true), &Log::default());
    assert_eq!(client.clone().oneshot(()).await, Ok(()));
    assert!((millis(2_011)..millis(2_014)).contains(&start.elapsed()), "{:?}", start.elapsed());

    let start = Instant::now();
    let client = breaking(eager().wait_for_circuit(true), &Log::default());
    let hurried = ServiceBuilder::new().layer(TimeoutLayer::new(secs(2))).service(client);
    assert_eq!(hurried.oneshot(()).await, Err(Error::Service("reset")));
    assert_eq!(start.elapsed(), millis(1));
}

#[tokio::test(start_paused = true)]
async fn many_that_wait_for_one_circuit_come_back_spread() {
    let (log, start) = (Log::default(), Instant::now());
    let policy = eager().backoff(Backoff::constant(millis(500)).jitter(Jitter::Full)).wait_for_circuit(true);
    let layer = RetryLayer::new(policy.build().unwrap(), rules(Idempotency::Keyed));
    for _ in 0..50 {
        let script = [Err(Error::Service("reset")), open(Some(secs(1))), Ok("done")];
        let noted = log.clone();
        let client = layer.layer(scripted(script, &Log::default()));
        tokio::task::LocalSet::new()
            .run_until(async move {
                client.oneshot(()).await.unwrap();
                noted.note();
            })
            .await;
    }
    let pauses = log.pauses();
    let (shortest, longest) = (pauses.iter().min().unwrap(), pauses.iter().max().unwrap());
    assert!(*shortest >= secs(1) && *longest <= millis(2_104), "{shortest:?} {longest:?}");
    assert!(*longest - *shortest > millis(400), "{:?}", start.elapsed());
}

/// Fails the first call, and is not ready for the next attempts.
fn unready(
    failures: usize,
    first: Answer,
    unready: Error,
) -> (impl Service<(), Response = &'static str, Error = Error> + Clone, Arc<AtomicUsize>) {
    let (asked, called) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let calls = Arc::clone(&called);
    let poll_ready = move |_: &mut std::task::Context<'_>| {
        let asked = asked.fetch_add(1, Ordering::Relaxed);
        if (1..=failures).contains(&asked) { Poll::Ready(Err(unready.clone())) } else { Poll::Ready(Ok(())) }
    };
    let call = move |()| {
        let called = calls.fetch_add(1, Ordering::Relaxed);
        std::future::ready(if called == 0 { first.clone() } else { Ok("done") })
    };
    (Steered { poll_ready, call }, called)
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_not_ready_for_a_further_attempt_counts_as_a_failed_attempt() {
    for (failures, answer, calls) in [(1, Ok("done"), 2), (2, Err("reset"), 1)] {
        let (service, called) = unready(failures, Err(Error::Service("reset")), Error::Service("closed"));
        let layer = RetryLayer::new(eager().build().unwrap(), rules(Idempotency::Keyed));
        let result = layer.layer(service).oneshot(()).await;
        if let Err(error) = &result {
            let attempts = error.attempts().unwrap();
            assert_eq!((attempts.count(), attempts.stopped_by().unwrap().as_str()), (1, "not_applied"));
        }
        assert_eq!(result.map_err(|error| error.into_service().unwrap()), answer);
        assert_eq!(called.load(Ordering::Relaxed), calls);
    }
}

/// It was not sent, whatever the rules know of such an error.
#[tokio::test(start_paused = true)]
async fn an_attempt_that_the_service_was_not_ready_for_may_be_repeated() {
    let (service, _) = unready(1, Err(Error::Service("refused")), Error::Service("closed"));
    let layer = RetryLayer::new(eager().build().unwrap(), rules(Idempotency::NotIdempotent));
    assert_eq!(layer.layer(service).oneshot(()).await, Ok("done"));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_not_ready_does_not_hide_a_response_that_is_discarded() {
    let (service, _) = unready(9, Ok("busy"), Error::Service("refused"));
    let layer = RetryLayer::new(eager().build().unwrap(), rules(Idempotency::Keyed));
    let error = layer.layer(service).oneshot(()).await.unwrap_err();
    let rejection = error.rejection().unwrap();
    assert_eq!((rejection.as_str(), rejection.effect()), ("retry_stopped", Effect::Unknown));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_not_ready_for_the_first_attempt_fails_poll_ready() {
    let (service, called) = unready(9, Ok("done"), Error::Service("closed"));
    let mut client = RetryLayer::new(eager().build().unwrap(), rules(Idempotency::Safe)).layer(service);
    client.ready().await.unwrap();
    assert_eq!(client.ready().await.err(), Some(Error::Service("closed")));
    assert_eq!(called.load(Ordering::Relaxed), 0);
}
