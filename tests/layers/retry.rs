//! Retries, as their users see them.

use std::borrow::Cow;
use std::future::{Pending, pending};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use crate::support::{Flag, Log, RaisedOnDrop, Steered, millis, secs};
use tokio::task::LocalSet;
use tokio::time::{Instant, advance, sleep};
use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::util::ServiceFn;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use windbreak::backoff::{Backoff, Jitter};
use windbreak::retry::{Attempts, RetryBudget, RetryPolicyBuilder};
use windbreak::rules::{
    Classify, Discard, Discarding, ErrorsOnly, Idempotency, Repeat, Replay, Rules, RulesFn, WithIdempotency, rules_fn,
};
use windbreak::{
    BulkheadLayer, Circuit, CircuitBreakerLayer, Effect, Failure, RetryLayer, RetryPolicy, TimeoutLayer, Verdict,
};

/// The service's own error is the number of the call that gave it.
type Error = windbreak::Error<usize>;

/// A policy that pays for everything, for tests of something else.
fn eager() -> RetryPolicyBuilder {
    RetryPolicy::builder().budget(RetryBudget::unlimited())
}

/// Rules by which every request may be repeated.
fn repeatable() -> WithIdempotency<ErrorsOnly, (), fn(&()) -> bool> {
    ErrorsOnly.idempotent(|()| true)
}

/// The service's own error.
fn number(error: Error) -> usize {
    error.into_service().expect("no layer rejects the request")
}

/// A client whose n-th call, counted from 1, succeeds if `works(n)`.
fn client<C, R, F>(
    policy: RetryPolicyBuilder,
    rules: C,
    log: &Log,
    works: F,
) -> impl Service<R, Response = usize, Error = Error> + Clone + use<C, R, F>
where
    F: Fn(usize) -> bool + Clone,
    C: Rules<R, usize, Error>,
{
    let log = log.clone();
    let upstream = service_fn(move |_: R| {
        let number = log.note();
        let result = if works(number) { Ok(number) } else { Err(Error::Service(number)) };
        async move { result }
    });
    ServiceBuilder::new().layer(RetryLayer::new(policy.build().expect("the policy is valid"), rules)).service(upstream)
}

const fn never(_: usize) -> bool {
    false
}

fn always(verdict: Verdict) -> RulesFn<usize, Error, impl Fn(Result<&usize, &Error>) -> Verdict + Clone> {
    rules_fn(move |_: Result<&usize, &Error>| verdict)
}

/// Sends a request through `client`, which rejects none.
async fn send(client: impl Service<(), Response = usize, Error = Error>) -> Result<usize, usize> {
    client.oneshot(()).await.map_err(number)
}

fn asks_for(pause: Duration) -> impl Rules<(), usize, Error> + Clone {
    always(Verdict::Failure(Failure::new(Effect::NotApplied).with_retry_after(pause)))
}

/// Time moves in steps of a millisecond, so a sleep may be up to one longer.
fn assert_slept(slept: &[Duration], expected: &[Duration]) {
    assert_eq!(slept.len(), expected.len());
    for (slept, expected) in slept.iter().zip(expected) {
        assert!(slept >= expected && *slept <= *expected + millis(2), "slept {slept:?}, not {expected:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn max_attempts_counts_the_first_and_the_last_response_is_returned() {
    for attempts in [1, 2, 3, 7] {
        let log = Log::default();
        let error = send(client(eager().max_attempts(attempts), repeatable(), &log, never)).await;
        assert_eq!(log.count(), attempts as usize);
        assert_eq!(error, Err(log.count()));
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_success_ends_it() {
    for works_at in [1, 2, 3] {
        let log = Log::default();
        let answer = send(client(eager(), repeatable(), &log, move |number| number == works_at)).await;
        assert_eq!((answer, log.count()), (Ok(works_at), works_at));
    }
}

#[tokio::test(start_paused = true)]
async fn by_default_there_are_three_attempts_after_at_most_50_and_200_ms_and_at_least_half_of_that() {
    let (mut longest, mut shortest) = ([Duration::ZERO; 2], [Duration::MAX; 2]);
    for _ in 0..100 {
        let log = Log::default();
        assert_eq!(send(client(eager(), repeatable(), &log, never)).await, Err(3));
        for (at, pause) in log.pauses().into_iter().enumerate() {
            longest[at] = pause.max(longest[at]);
            shortest[at] = pause.min(shortest[at]);
        }
    }
    assert!(longest[0] <= millis(52) && longest[0] > millis(43), "{longest:?}");
    assert!(longest[1] <= millis(202) && longest[1] > millis(170), "{longest:?}");
    assert!(shortest[0] >= millis(25) && shortest[0] < millis(32), "{shortest:?}");
    assert!(shortest[1] >= millis(100) && shortest[1] < millis(130), "{shortest:?}");
}

#[tokio::test(start_paused = true)]
async fn by_default_pauses_grow_to_five_seconds() {
    let log = Log::default();
    let _ = client(eager().max_attempts(2_000), repeatable(), &log, never).oneshot(()).await;
    let longest = log.pauses().into_iter().max().unwrap();
    assert!(longest <= millis(5_002) && longest > millis(4_900), "{longest:?}");
}

#[tokio::test(start_paused = true)]
async fn pauses_follow_the_backoff_with_each_kind_of_jitter() {
    for jitter in [Jitter::None, Jitter::Equal, Jitter::Full, Jitter::Decorrelated] {
        let backoff = Backoff::exponential(millis(100)).factor(3.0).max(secs(1)).jitter(jitter);
        let log = Log::default();
        let policy = eager().max_attempts(6).backoff(backoff).seed(7);
        let _ = client(policy, repeatable(), &log, never).oneshot(()).await;
        let expected: Vec<_> = backoff.delays(7).unwrap().take(5).collect();
        assert_slept(&log.pauses(), &expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_plain_duration_is_a_pause_that_neither_grows_nor_varies() {
    let log = Log::default();
    let _ = client(eager().max_attempts(4).backoff(millis(30)), repeatable(), &log, never).oneshot(()).await;
    assert_slept(&log.pauses(), &[millis(30); 3]);
}

#[tokio::test(start_paused = true)]
async fn each_request_starts_again_with_the_shortest_pause() {
    let log = Log::default();
    let backoff = Backoff::exponential(millis(100)).jitter(Jitter::None);
    let client = client(eager().backoff(backoff), repeatable(), &log, never);
    let _ = client.clone().oneshot(()).await;
    let _ = client.oneshot(()).await;
    assert_slept(&log.pauses(), &[millis(100), millis(200), Duration::ZERO, millis(100), millis(200)]);
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_pauses_and_another_gives_others() {
    let pauses = async |policy: RetryPolicyBuilder| {
        let log = Log::default();
        let _ = client(policy.max_attempts(8), repeatable(), &log, never).oneshot(()).await;
        log.pauses()
    };
    let first = pauses(eager().seed(1)).await;
    assert_eq!(first, pauses(eager().seed(1)).await);
    assert_ne!(first, pauses(eager().seed(2)).await);
    assert_ne!(pauses(eager()).await, pauses(eager()).await);
}

#[tokio::test(start_paused = true)]
async fn clones_of_a_policy_share_the_generator() {
    let log = Log::default();
    let backoff = Backoff::constant(secs(1));
    let client = client(eager().max_attempts(2).backoff(backoff).seed(7), repeatable(), &log, never);
    let _ = tokio::join!(client.clone().oneshot(()), client.oneshot(()));
    let drawn: Vec<_> = backoff.delays(7).unwrap().take(2).collect();
    let (sooner, later) = (drawn[0].min(drawn[1]), drawn[0].max(drawn[1]));
    assert_slept(&log.pauses(), &[Duration::ZERO, sooner, later.abs_diff(sooner).saturating_sub(millis(1))]);
}

#[tokio::test(start_paused = true)]
async fn the_pause_is_what_the_upstream_asks_for_and_the_backoff() {
    for (asked, pause) in [(secs(3), secs(4)), (millis(300), millis(1_300))] {
        let log = Log::default();
        let policy = eager().max_attempts(2).backoff(secs(1));
        let _ = client(policy, asks_for(asked), &log, never).oneshot(()).await;
        assert_slept(&log.pauses(), &[pause]);
    }
}

/// A herd that was told to come back in ten seconds is spread over the next one, and nobody comes back sooner.
#[tokio::test(start_paused = true)]
async fn callers_that_were_told_the_same_moment_come_back_spread() {
    let log = Log::default();
    let client = client(eager().max_attempts(2), asks_for(secs(10)), &log, never);
    let start = Instant::now();
    let herd = async {
        let requests: Vec<_> = (0..200).map(|_| tokio::task::spawn_local(client.clone().oneshot(()))).collect();
        for request in requests {
            let _ = request.await;
        }
    };
    LocalSet::new().run_until(herd).await;
    let returned: Vec<_> = log.arrivals()[200..].iter().map(|arrival| *arrival - start).collect();
    assert!(returned.iter().all(|after| (secs(10)..=millis(11_052)).contains(after)), "{returned:?}");
    let most = (10_000..11_100)
        .step_by(100)
        .map(|from| returned.iter().filter(|after| (millis(from)..millis(from + 100)).contains(after)).count());
    let most = most.max();
    assert!(most < Some(45), "{most:?} of 200 within 100 ms");
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_asks_for_too_long_a_pause_gets_none_and_its_response_is_returned() {
    let start = Instant::now();
    for (policy, most) in [(eager().max_retry_after(secs(5)), secs(5)), (eager(), secs(60))] {
        let log = Log::default();
        let asked = most + Duration::from_nanos(1);
        let answer = send(client(policy.clone(), asks_for(asked), &log, never)).await;
        assert_eq!((answer, log.count(), start.elapsed()), (Err(1), 1, Duration::ZERO));
    }
    for (policy, most) in [(eager().max_retry_after(secs(5)), secs(5)), (eager(), secs(60))] {
        let log = Log::default();
        let policy = policy.max_attempts(2).backoff(millis(1));
        let _ = client(policy, asks_for(most), &log, never).oneshot(()).await;
        assert_slept(&log.pauses(), &[most + millis(1)]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_would_end_after_max_elapsed_does_not_begin() {
    let attempts_within = async |max_elapsed: Duration| {
        let (log, start) = (Log::default(), Instant::now());
        let policy = eager().max_attempts(100).backoff(secs(1)).max_elapsed(max_elapsed);
        assert_eq!(send(client(policy, repeatable(), &log, never)).await, Err(log.count()));
        assert_eq!(start.elapsed(), secs(log.count() as u64 - 1));
        log.count()
    };
    assert_eq!(attempts_within(millis(999)).await, 1);
    assert_eq!(attempts_within(secs(1)).await, 2);
    assert_eq!(attempts_within(millis(4_500)).await, 5);
}

#[tokio::test(start_paused = true)]
async fn attempts_count_for_max_elapsed_as_pauses_do() {
    let log = Log::default();
    let noted = log.clone();
    let upstream = service_fn(move |()| {
        noted.note();
        async {
            sleep(secs(2)).await;
            Err::<(), _>(Error::Service(0))
        }
    });
    let policy = eager().max_attempts(100).backoff(secs(1)).max_elapsed(secs(6)).build().unwrap();
    let client = ServiceBuilder::new().layer(RetryLayer::new(policy, repeatable())).service(upstream);
    let start = Instant::now();
    let _ = client.oneshot(()).await;
    assert_eq!((log.count(), start.elapsed()), (3, secs(8)));
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_would_end_past_the_deadline_does_not_begin() {
    for (limit, attempts) in [(millis(900), 1), (secs(1), 1), (millis(1_100), 2), (millis(3_500), 4)] {
        let log = Log::default();
        let retries = client(eager().max_attempts(100).backoff(secs(1)), repeatable(), &log, never);
        let client = ServiceBuilder::new().layer(TimeoutLayer::new(limit)).service(retries);
        let start = Instant::now();
        // The answer it has, and not the timeout.
        assert_eq!(send(client).await, Err(attempts));
        assert_eq!((log.count(), start.elapsed()), (attempts, secs(attempts as u64 - 1)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_response_is_dropped_before_the_pause() {
    let (log, dropped) = (Log::default(), Flag::default());
    let (noted, response) = (log.clone(), dropped.clone());
    let upstream = service_fn(move |()| {
        noted.note();
        std::future::ready(Ok::<_, Error>(response.raised_on_drop()))
    });
    let rules = rules_fn(|_: Result<&RaisedOnDrop, &Error>| Verdict::Failure(Failure::new(Effect::NotApplied)));
    let policy = eager().backoff(secs(1)).build().unwrap();
    let client = ServiceBuilder::new().layer(RetryLayer::new(policy, rules)).service(upstream);
    let mut response = task::spawn(client.oneshot(()));
    assert_pending!(response.poll());
    assert_eq!(log.count(), 1);
    assert!(dropped.is_raised());
}

#[tokio::test(start_paused = true)]
async fn what_may_have_taken_effect_is_repeated_only_if_that_is_harmless() {
    use Idempotency::{Idempotent, Keyed, NotIdempotent, Safe};

    for (effect, idempotency, attempts) in [
        (Effect::NotApplied, NotIdempotent, 3),
        (Effect::NotApplied, Safe, 3),
        (Effect::Unknown, NotIdempotent, 1),
        (Effect::Unknown, Safe, 3),
        (Effect::Unknown, Idempotent, 3),
        (Effect::Unknown, Keyed, 3),
    ] {
        for verdict in [Verdict::Failure(Failure::new(effect)), throttled(effect)] {
            let log = Log::default();
            let rules = always(verdict).idempotent(move |()| idempotency);
            let _ = client(eager(), rules, &log, never).oneshot(()).await;
            assert_eq!(log.count(), attempts, "{verdict:?} {idempotency:?}");
        }
    }
}

/// A verdict that cannot be written down outside for every effect.
fn throttled(effect: Effect) -> Verdict {
    if effect == Effect::NotApplied { Verdict::throttled(None) } else { Verdict::UNKNOWN }
}

#[tokio::test(start_paused = true)]
async fn by_default_no_request_may_be_repeated() {
    let log = Log::default();
    let _ = client(RetryPolicy::builder(), ErrorsOnly, &log, never).oneshot(()).await;
    assert_eq!(log.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn only_failures_that_may_pass_are_repeated() {
    let permanent = Verdict::Failure(Failure::new(Effect::NotApplied).permanent());
    for verdict in [Verdict::Success, Verdict::Declined, Verdict::Ignored, permanent] {
        let log = Log::default();
        let rules = always(verdict).idempotent(|()| Idempotency::Safe);
        assert_eq!(send(client(eager(), rules, &log, never)).await, Err(1));
        assert_eq!(log.count(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttled_request_is_repeated_after_its_wait() {
    let log = Log::default();
    let policy = eager().max_attempts(2).backoff(millis(10));
    let _ = client(policy, always(Verdict::throttled(Some(secs(2)))), &log, never).oneshot(()).await;
    assert_slept(&log.pauses(), &[millis(2_010)]);
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_a_failure_is_repeated() {
    let log = Log::default();
    let rules = rules_fn(|result: Result<&usize, &Error>| match result {
        Ok(1) => Verdict::UNKNOWN,
        _ => Verdict::Success,
    });
    let rules = rules.idempotent(|()| true);
    assert_eq!(send(client(eager(), rules, &log, |_| true)).await, Ok(2));
}

#[tokio::test(start_paused = true)]
async fn rejections_by_an_open_circuit_or_a_full_bulkhead_are_not_repeated_and_timeouts_are() {
    let open = Circuit::builder("down").build().unwrap();
    open.force_open();
    let full = BulkheadLayer::new(1).unwrap();
    let _in_flight = ServiceBuilder::new().layer(full.clone()).service(service_fn(stuck)).call(());

    assert_eq!(attempts_over(CircuitBreakerLayer::new(open, ErrorsOnly)).await, 1);
    assert_eq!(attempts_over(full.clone()).await, 1);
    assert_eq!(attempts_over(full.max_wait(secs(1))).await, 1);
    assert_eq!(attempts_over(TimeoutLayer::new(secs(1))).await, 3);
}

type Stuck = Pending<Result<usize, Error>>;

fn stuck(_: ()) -> Stuck {
    pending()
}

/// How often a request is sent through a layer that rejects it.
async fn attempts_over<L>(layer: L) -> usize
where
    L: Layer<ServiceFn<fn(()) -> Stuck>>,
    L::Service: Service<(), Response = usize, Error = Error> + Clone,
{
    let log = Log::default();
    let noted = log.clone();
    let client = ServiceBuilder::new()
        .layer(RetryLayer::new(eager().build().expect("the policy is valid"), repeatable()))
        .map_request(move |()| {
            noted.note();
        })
        .layer(layer)
        .service(service_fn(stuck as fn(()) -> Stuck));
    assert!(client.oneshot(()).await.expect_err("it fails").rejection().is_some());
    log.count()
}

/// Not `Clone`. Says which copy it is, and how often the request was sent before.
#[derive(Debug, Default)]
struct Parcel {
    copy: usize,
    resends: Option<u32>,
}

/// Copies parcels, and counts the copies.
#[derive(Debug, Clone)]
struct Copies {
    made: Arc<AtomicUsize>,
    most: usize,
}

impl Copies {
    fn most(most: usize) -> Self {
        Self { made: Arc::default(), most }
    }
}

impl Repeat<Parcel> for Copies {
    fn idempotency(&self, _: &Parcel) -> Idempotency {
        Idempotency::Idempotent
    }

    fn number(&self, request: &mut Parcel, resends: u32) {
        request.resends = Some(resends);
    }
}

impl Replay<Parcel> for Copies {
    fn copy(&self, request: &Parcel) -> Option<Parcel> {
        (request.copy < self.most)
            .then(|| Parcel { copy: self.made.fetch_add(1, Ordering::Relaxed) + 1, resends: None })
    }
}

impl<T> Classify<T, Error> for Copies {
    fn classify(&self, result: Result<&T, &Error>) -> Verdict {
        ErrorsOnly.classify(result)
    }
}

impl<T> Discard<T> for Copies {}

#[tokio::test(start_paused = true)]
async fn a_request_in_progress_is_repeated_only_if_the_upstream_knows_a_repeat() {
    use Idempotency::{Idempotent, Keyed, NotIdempotent, Safe};

    for (idempotency, attempts) in [(Keyed, 3), (Idempotent, 1), (Safe, 1), (NotIdempotent, 1)] {
        let log = Log::default();
        let rules = always(Verdict::in_progress(Some(secs(2)))).idempotent(move |()| idempotency);
        let _ = client(eager().backoff(millis(1)), rules, &log, never).oneshot(()).await;
        assert_slept(&log.pauses(), &vec![millis(2_001); attempts - 1]);
    }
}

#[tokio::test(start_paused = true)]
async fn each_copy_is_told_how_often_the_request_was_sent_before() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let requests = Arc::clone(&seen);
    let upstream = service_fn(move |request: Parcel| {
        requests.lock().unwrap().push((request.copy, request.resends));
        std::future::ready(Err::<(), _>(Error::Service(0)))
    });
    let layer = RetryLayer::new(eager().max_attempts(4).build().unwrap(), Copies::most(9));
    let _ = ServiceBuilder::new().layer(layer).service(upstream).oneshot(Parcel::default()).await;
    assert_eq!(*seen.lock().unwrap(), [(0, None), (1, Some(1)), (2, Some(2)), (3, Some(3))]);
}

/// An attempt that the service was not ready for was not sent.
#[tokio::test(start_paused = true)]
async fn a_copy_is_not_told_of_attempts_that_were_not_sent() {
    let (asked, seen) = (Log::default(), Arc::new(Mutex::new(Vec::new())));
    let requests = Arc::clone(&seen);
    let poll_ready =
        move |_: &mut Context<'_>| Poll::Ready(if asked.note() == 2 { Err(Error::Service(0)) } else { Ok(()) });
    let call = move |request: Parcel| {
        requests.lock().unwrap().push(request.resends);
        std::future::ready(Err::<(), _>(Error::Service(0)))
    };
    let layer = RetryLayer::new(eager().max_attempts(3).build().unwrap(), Copies::most(9));
    let _ = layer.layer(Steered { poll_ready, call }).oneshot(Parcel::default()).await;
    assert_eq!(*seen.lock().unwrap(), [None, Some(1)]);
}

#[tokio::test(start_paused = true)]
async fn each_attempt_sends_a_copy_and_no_copy_is_made_in_vain() {
    for attempts in 1..=4 {
        let (log, copies) = (Log::default(), Copies::most(9));
        let client = client(eager().max_attempts(attempts), copies.clone(), &log, never);
        let _ = client.oneshot(Parcel::default()).await;
        assert_eq!(log.count(), attempts as usize);
        assert_eq!(copies.made.load(Ordering::Relaxed), attempts as usize - 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_cannot_be_copied_is_sent_once_and_its_first_response_returned() {
    let (log, start) = (Log::default(), Instant::now());
    let client = client(eager(), Copies::most(0), &log, never);
    assert_eq!(client.oneshot(Parcel::default()).await.map_err(number), Err(1));
    assert_eq!((log.count(), start.elapsed()), (1, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_cannot_be_copied_is_the_last_that_is_sent() {
    let client = client(eager().max_attempts(9), Copies::most(1), &Log::default(), never);
    assert_eq!(client.oneshot(Parcel::default()).await.map_err(number), Err(2));
}

#[derive(Debug, Default)]
struct Noted {
    busy: bool,
    attempts: Option<Attempts>,
}

/// Takes three seconds to discard a response, and notes in one what it took to get it.
struct Slow(Log);

impl Discard<Noted> for Slow {
    fn discard(&self, _: Noted) -> Option<Discarding> {
        self.0.note();
        Some(Discarding::new(sleep(secs(3))))
    }

    fn mark(&self, response: &mut Noted, attempts: &Attempts) {
        response.attempts = Some(attempts.clone());
    }
}

impl Classify<Noted, Error> for Slow {
    fn classify(&self, result: Result<&Noted, &Error>) -> Verdict {
        if result.is_ok_and(|response| response.busy) {
            Verdict::Failure(Failure::new(Effect::NotApplied))
        } else {
            Verdict::Success
        }
    }

    fn error_type(&self, _: Result<&Noted, &Error>) -> Cow<'static, str> {
        "busy".into()
    }
}

impl Repeat<()> for Slow {
    fn idempotency(&self, (): &()) -> Idempotency {
        Idempotency::NotIdempotent
    }
}

impl Replay<()> for Slow {
    fn copy(&self, (): &()) -> Option<()> {
        Some(())
    }
}

/// Who is busy for the first requests.
fn busy_at_first(refusals: usize, log: &Log) -> impl Service<(), Response = Noted, Error = Error> + Clone + use<> {
    let noted = log.clone();
    service_fn(move |()| {
        let busy = noted.note() <= refusals;
        std::future::ready(Ok::<_, Error>(Noted { busy, attempts: None }))
    })
}

/// A response is discarded during the pause, and the next attempt waits for the end of both.
#[tokio::test(start_paused = true)]
async fn responses_are_discarded_and_the_last_one_says_what_it_took() {
    for (pause, apart) in [(secs(1), secs(3)), (secs(5), secs(5))] {
        for refusals in 0..3 {
            let (log, discarded) = (Log::default(), Log::default());
            let layer = RetryLayer::new(eager().backoff(pause).build().unwrap(), Slow(discarded.clone()));
            let response = layer.layer(busy_at_first(refusals, &log)).oneshot(()).await;
            assert_slept(&log.pauses(), &vec![apart; refusals]);
            assert_eq!(discarded.count(), refusals);
            let attempts = response.unwrap().attempts;
            assert_eq!(attempts.is_some(), refusals > 0);
            if let Some(attempts) = attempts {
                assert_eq!(attempts.count() as usize, refusals + 1);
                assert_eq!(attempts.reasons().collect::<Vec<_>>(), vec!["busy"; refusals]);
                assert_eq!(attempts.paused(), pause * u32::try_from(refusals).unwrap());
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn of_a_thousand_attempts_only_the_latest_16_reasons_are_kept() {
    let layer = RetryLayer::new(eager().max_attempts(1_000).backoff(millis(1)).build().unwrap(), Slow(Log::default()));
    let attempts = layer.layer(busy_at_first(999, &Log::default())).oneshot(()).await.unwrap().attempts.unwrap();
    assert_eq!((attempts.count(), attempts.reasons().len()), (1_000, 16));
}

#[tokio::test(start_paused = true)]
async fn an_error_says_what_was_tried_if_that_was_more_than_one_attempt() {
    let tried = async |attempts: u32| {
        let policy = eager().max_attempts(attempts).backoff(secs(1));
        client(policy, repeatable(), &Log::default(), never).oneshot(()).await.unwrap_err()
    };
    assert_eq!(tried(1).await, Error::Service(1));
    let error = tried(3).await;
    let attempts = error.attempts().unwrap();
    assert_eq!((attempts.count(), attempts.paused(), attempts.effect()), (3, secs(2), Effect::Unknown));
    assert_eq!(attempts.reasons().collect::<Vec<_>>(), ["_OTHER"; 2]);
    assert_eq!(attempts.stopped_by(), None);
}

#[tokio::test(start_paused = true)]
async fn to_drop_the_response_drops_what_is_being_discarded() {
    struct Held(Flag);

    impl Discard<Noted> for Held {
        fn discard(&self, _: Noted) -> Option<Discarding> {
            let guard = self.0.raised_on_drop();
            Some(Discarding::new(async move {
                pending::<()>().await;
                drop(guard);
            }))
        }
    }

    impl Classify<Noted, Error> for Held {
        fn classify(&self, _: Result<&Noted, &Error>) -> Verdict {
            Verdict::Failure(Failure::new(Effect::NotApplied))
        }
    }

    impl Repeat<()> for Held {
        fn idempotency(&self, (): &()) -> Idempotency {
            Idempotency::Safe
        }
    }

    impl Replay<()> for Held {
        fn copy(&self, (): &()) -> Option<()> {
            Some(())
        }
    }

    let dropped = Flag::default();
    let layer = RetryLayer::new(eager().build().unwrap(), Held(dropped.clone()));
    let mut response = task::spawn(layer.layer(busy_at_first(1, &Log::default())).oneshot(()));
    assert_pending!(response.poll());
    assert!(!dropped.is_raised());
    drop(response);
    assert!(dropped.is_raised());
}

/// A client whose first attempt fails, and whose upstream is asked a second time whether it is ready by `poll_ready`.
fn asked_again(
    poll_ready: fn(&mut Context<'_>) -> Poll<Result<(), Error>>,
) -> impl Service<(), Response = usize, Error = Error> + Clone {
    let (asked, log) = (Log::default(), Log::default());
    let poll_ready = move |cx: &mut Context<'_>| if asked.note() == 2 { poll_ready(cx) } else { Poll::Ready(Ok(())) };
    let call = move |()| {
        let number = log.note();
        std::future::ready(if number == 1 { Err(Error::Service(1)) } else { Ok(number) })
    };
    let policy = eager().backoff(secs(1)).build().expect("the policy is valid");
    ServiceBuilder::new().layer(RetryLayer::new(policy, repeatable())).service(Steered { poll_ready, call })
}

#[tokio::test(start_paused = true)]
async fn a_retry_waits_until_the_service_is_ready() {
    let client = asked_again(|cx| {
        let waker = cx.waker().clone();
        tokio::spawn(async {
            sleep(secs(10)).await;
            waker.wake();
        });
        Poll::Pending
    });
    let start = Instant::now();
    assert_eq!(client.oneshot(()).await, Ok(2));
    assert_eq!(start.elapsed(), secs(11));
}

#[tokio::test(start_paused = true)]
async fn a_backoff_without_bound_pauses_for_ever_and_does_not_panic() {
    let backoff = Backoff::exponential(Duration::from_secs(u64::MAX / 2)).factor(1e300).jitter(Jitter::None);
    for policy in
        [eager().backoff(backoff), eager().backoff(Duration::MAX), eager().backoff(backoff).max_elapsed(Duration::MAX)]
    {
        let mut response = task::spawn(client(policy, repeatable(), &Log::default(), never).oneshot(()));
        assert_pending!(response.poll());
        advance(secs(365 * 24 * 60 * 60)).await;
        assert_pending!(response.poll());
    }
    let upstream = service_fn(|()| async {
        sleep(secs(1)).await;
        Err::<(), _>(Error::Service(1))
    });
    let policy = eager().backoff(Duration::MAX).max_elapsed(secs(60)).build().unwrap();
    let bounded = ServiceBuilder::new().layer(RetryLayer::new(policy, repeatable())).service(upstream);
    assert_eq!(bounded.oneshot(()).await.map_err(number), Err(1));
}

#[tokio::test(start_paused = true)]
async fn to_drop_the_response_during_a_pause_ends_it() {
    let log = Log::default();
    let mut response = task::spawn(client(eager().backoff(secs(1)), repeatable(), &log, never).oneshot(()));
    assert_pending!(response.poll());
    drop(response);
    advance(secs(60)).await;
    assert_eq!(log.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn to_drop_the_response_drops_the_attempt_under_way() {
    let dropped = Flag::default();
    let attempt = dropped.clone();
    let upstream = service_fn(move |()| {
        let guard = attempt.raised_on_drop();
        async move {
            pending::<()>().await;
            drop(guard);
            Ok::<_, Error>(())
        }
    });
    let client = ServiceBuilder::new().layer(RetryLayer::new(eager().build().unwrap(), repeatable())).service(upstream);
    let mut response = task::spawn(client.oneshot(()));
    assert_pending!(response.poll());
    assert!(!dropped.is_raised());
    drop(response);
    assert!(dropped.is_raised());
}

#[test]
fn an_attempt_that_succeeds_needs_no_runtime() {
    let mut response = task::spawn(client(eager(), repeatable(), &Log::default(), |_| true).oneshot(()));
    assert_ready_ok!(response.poll());
}

#[test]
#[should_panic(expected = "runtime")]
fn a_pause_panics_without_a_runtime() {
    let _ = task::spawn(client(eager(), repeatable(), &Log::default(), never).oneshot(())).poll();
}

/// Answers with its name, as an error.
#[derive(Clone)]
struct Named(usize);

impl Service<()> for Named {
    type Response = ();
    type Error = Error;
    type Future = std::future::Ready<Result<(), Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        std::future::ready(Err(Error::Service(self.0)))
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_of_the_inner_service_holds_for_further_attempts_too() {
    let layer = RetryLayer::new(eager().max_attempts(2).build().unwrap(), repeatable());
    let mut retry = layer.layer(Named(1));
    assert_eq!(retry.ready().await.unwrap().call(()).await.map_err(number), Err(1));
    retry.get_mut().0 = 2;
    let mut clone = retry.clone();
    assert_eq!(retry.ready().await.unwrap().call(()).await.map_err(number), Err(2));
    assert_eq!(clone.ready().await.unwrap().call(()).await.map_err(number), Err(2));
}

/// Whoever polls a `LocalSet` within a timeout makes its deadline visible to tasks that have nothing to do with it.
#[tokio::test(start_paused = true)]
async fn a_task_of_a_local_set_keeps_retrying_under_a_strangers_deadline() {
    let (log, tasks) = (Log::default(), LocalSet::new());
    let client = client(eager().backoff(secs(1)), repeatable(), &log, |number| number == 3);
    let task = tasks.spawn_local(client.oneshot(()));
    let stranger =
        ServiceBuilder::new().layer(TimeoutLayer::new(millis(500))).service(service_fn(|tasks: LocalSet| async move {
            let _ = tokio::time::timeout(millis(400), tasks.run_until(pending::<()>())).await;
            Ok::<_, Error>(tasks)
        }));
    let tasks = stranger.oneshot(tasks).await.unwrap();
    assert_eq!(tasks.run_until(task).await.unwrap(), Ok(3));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_dropped_in_any_state_gives_its_services_back() {
    for elapsed in [0, 1, 2] {
        let held = Arc::new(());
        let (asked, owner) = (Log::default(), Arc::clone(&held));
        // The first attempt fails; the service never gets ready for the second.
        let poll_ready = move |_: &mut Context<'_>| {
            let _ = &owner;
            if asked.note() == 1 { Poll::Ready(Ok::<_, Error>(())) } else { Poll::Pending }
        };
        let call = |()| async {
            sleep(secs(1)).await;
            Err::<(), _>(Error::Service(1))
        };
        let layer = RetryLayer::new(eager().backoff(secs(1)).build().unwrap(), repeatable());
        let mut response = task::spawn(layer.layer(Steered { poll_ready, call }).oneshot(()));
        for _ in 0..elapsed {
            assert_pending!(response.poll());
            advance(millis(1_001)).await;
        }
        assert_pending!(response.poll());
        assert!(Arc::strong_count(&held) > 1);
        drop(response);
        assert_eq!(Arc::strong_count(&held), 1);
    }
}

/// What only further attempts need lies elsewhere: the healthy path moves the future, and pays for its size.
#[test]
fn the_future_is_48_bytes_larger_than_that_of_the_service() {
    let mut bare = service_fn(|request: u64| std::future::ready(Ok::<_, Error>(request)));
    let mut retry = RetryLayer::new(RetryPolicy::builder().build().unwrap(), ErrorsOnly).layer(bare);
    let (bare, retry) = (size_of_val(&bare.call(1)), size_of_val(&retry.call(1)));
    assert!(retry <= bare + 48, "{retry} of {bare}");
}
