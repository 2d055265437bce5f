//! Retries, as their users see them.

use std::borrow::Cow;
use std::future::{Pending, pending};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use crate::support::{Flag, Log, RaisedOnDrop, Steered, millis, secs};
use tokio::time::{Instant, advance, sleep};
use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::util::ServiceFn;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use windbreak::backoff::{Backoff, Jitter};
use windbreak::retry::{Attempts, Dispose, RetryBudget, RetryPolicyBuilder};
use windbreak::rules::{Classify, Replay};
use windbreak::{
    BulkheadLayer, Circuit, CircuitBreakerLayer, Effect, Failure, RetryLayer, RetryPolicy, TimeoutLayer, Verdict,
};

/// The service's own error is the number of the call that gave it.
type Error = windbreak::Error<usize>;

/// A policy that may repeat everything, for tests of something else.
fn eager() -> RetryPolicyBuilder {
    RetryPolicy::builder().assume_idempotent(true).budget(RetryBudget::unlimited())
}

/// A client whose n-th call, counted from 1, succeeds if `works(n)`.
fn client<C, P, R, F>(
    policy: RetryPolicyBuilder<C, P>,
    log: &Log,
    works: F,
) -> impl Service<R, Response = usize, Error = Error> + Clone + use<C, P, R, F>
where
    F: Fn(usize) -> bool + Clone,
    C: Classify<usize, Error>,
    P: Replay<R>,
{
    let log = log.clone();
    let callee = service_fn(move |_: R| {
        let number = log.note();
        let result = if works(number) { Ok(number) } else { Err(Error::Service(number)) };
        async move { result }
    });
    ServiceBuilder::new().layer(RetryLayer::new(policy.build().expect("the policy is valid"))).service(callee)
}

const fn never(_: usize) -> bool {
    false
}

fn fails(effect: Effect) -> impl Fn(Result<&usize, &Error>) -> Verdict + Clone {
    move |result| if result.is_ok() { Verdict::Success } else { Verdict::Failure(Failure::new(effect)) }
}

fn asks_for(pause: Duration) -> impl Fn(Result<&usize, &Error>) -> Verdict + Clone {
    move |_| Verdict::Failure(Failure::new(Effect::NotApplied).retry_after(pause))
}

/// Time moves in steps of a millisecond, so a sleep may be up to one longer.
fn assert_slept(slept: &[Duration], expected: &[Duration]) {
    assert_eq!(slept.len(), expected.len());
    for (slept, expected) in slept.iter().zip(expected) {
        assert!(slept >= expected && *slept <= *expected + millis(2), "slept {slept:?}, not {expected:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn max_attempts_counts_the_first_and_the_last_answer_is_returned() {
    for attempts in [1, 2, 3, 7] {
        let log = Log::default();
        let error = client(eager().max_attempts(attempts), &log, never).oneshot(()).await.unwrap_err();
        assert_eq!(log.count(), attempts as usize);
        assert_eq!(error, Error::Service(log.count()));
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_success_ends_it() {
    for works_at in [1, 2, 3] {
        let log = Log::default();
        let answer = client(eager(), &log, move |number| number == works_at).oneshot(()).await;
        assert_eq!((answer, log.count()), (Ok(works_at), works_at));
    }
}

#[tokio::test(start_paused = true)]
async fn by_default_there_are_three_attempts_after_at_most_100_and_200_ms() {
    let (mut longest, mut shortest) = ([Duration::ZERO; 2], Duration::MAX);
    for _ in 0..100 {
        let log = Log::default();
        assert_eq!(client(eager(), &log, never).oneshot(()).await, Err(Error::Service(3)));
        for (longest, pause) in longest.iter_mut().zip(log.pauses()) {
            *longest = pause.max(*longest);
            shortest = pause.min(shortest);
        }
    }
    assert!(longest[0] <= millis(102) && longest[0] > millis(70), "{longest:?}");
    assert!(longest[1] <= millis(202) && longest[1] > millis(140), "{longest:?}");
    assert!(shortest < millis(30), "{shortest:?}");
}

#[tokio::test(start_paused = true)]
async fn by_default_pauses_grow_to_five_seconds() {
    let log = Log::default();
    let _ = client(eager().max_attempts(2_000), &log, never).oneshot(()).await;
    let longest = log.pauses().into_iter().max().unwrap();
    assert!(longest <= millis(5_002) && longest > millis(4_900), "{longest:?}");
}

#[tokio::test(start_paused = true)]
async fn pauses_follow_the_backoff_with_each_kind_of_jitter() {
    for jitter in [Jitter::None, Jitter::Equal, Jitter::Full, Jitter::Decorrelated] {
        let backoff = Backoff::exponential(millis(100)).factor(3.0).max(secs(1)).jitter(jitter);
        let log = Log::default();
        let policy = eager().max_attempts(6).backoff(backoff).seed(7);
        let _ = client(policy, &log, never).oneshot(()).await;
        let expected: Vec<_> = backoff.delays(7).unwrap().take(5).collect();
        assert_slept(&log.pauses(), &expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_plain_duration_is_a_pause_that_neither_grows_nor_varies() {
    let log = Log::default();
    let _ = client(eager().max_attempts(4).backoff(millis(30)), &log, never).oneshot(()).await;
    assert_slept(&log.pauses(), &[millis(30); 3]);
}

#[tokio::test(start_paused = true)]
async fn each_request_starts_again_with_the_shortest_pause() {
    let log = Log::default();
    let backoff = Backoff::exponential(millis(100)).jitter(Jitter::None);
    let client = client(eager().backoff(backoff), &log, never);
    let _ = client.clone().oneshot(()).await;
    let _ = client.oneshot(()).await;
    assert_slept(&log.pauses(), &[millis(100), millis(200), Duration::ZERO, millis(100), millis(200)]);
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_pauses_and_another_gives_others() {
    let pauses = async |policy: RetryPolicyBuilder| {
        let log = Log::default();
        let _ = client(policy.max_attempts(8), &log, never).oneshot(()).await;
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
    let client = client(eager().max_attempts(2).backoff(backoff).seed(7), &log, never);
    let _ = tokio::join!(client.clone().oneshot(()), client.oneshot(()));
    let drawn: Vec<_> = backoff.delays(7).unwrap().take(2).collect();
    let (sooner, later) = (drawn[0].min(drawn[1]), drawn[0].max(drawn[1]));
    assert_slept(&log.pauses(), &[Duration::ZERO, sooner, later.abs_diff(sooner).saturating_sub(millis(1))]);
}

#[tokio::test(start_paused = true)]
async fn the_pause_is_at_least_what_the_callee_asks_for() {
    for (asked, pause) in [(secs(3), secs(3)), (millis(300), secs(1))] {
        let log = Log::default();
        let policy = eager().max_attempts(2).backoff(secs(1)).classify(asks_for(asked));
        let _ = client(policy, &log, never).oneshot(()).await;
        assert_slept(&log.pauses(), &[pause]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_callee_that_asks_for_too_long_a_pause_gets_none_and_its_answer_is_returned() {
    let start = Instant::now();
    for (policy, most) in [(eager().max_retry_after(secs(5)), secs(5)), (eager(), secs(60))] {
        let log = Log::default();
        let asked = most + Duration::from_nanos(1);
        let answer = client(policy.clone().classify(asks_for(asked)), &log, never).oneshot(()).await;
        assert_eq!((answer, log.count(), start.elapsed()), (Err(Error::Service(1)), 1, Duration::ZERO));
    }
    for (policy, most) in [(eager().max_retry_after(secs(5)), secs(5)), (eager(), secs(60))] {
        let log = Log::default();
        let _ = client(policy.max_attempts(2).classify(asks_for(most)), &log, never).oneshot(()).await;
        assert_slept(&log.pauses(), &[most]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_would_end_after_max_elapsed_does_not_begin() {
    let attempts_within = async |max_elapsed: Duration| {
        let (log, start) = (Log::default(), Instant::now());
        let policy = eager().max_attempts(100).backoff(secs(1)).max_elapsed(max_elapsed);
        let error = client(policy, &log, never).oneshot(()).await.unwrap_err();
        assert_eq!(error, Error::Service(log.count()));
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
    let callee = service_fn(move |()| {
        noted.note();
        async {
            sleep(secs(2)).await;
            Err::<(), _>(Error::Service(0))
        }
    });
    let policy = eager().max_attempts(100).backoff(secs(1)).max_elapsed(secs(6)).build().unwrap();
    let client = ServiceBuilder::new().layer(RetryLayer::new(policy)).service(callee);
    let start = Instant::now();
    let _ = client.oneshot(()).await;
    assert_eq!((log.count(), start.elapsed()), (3, secs(8)));
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_would_end_past_the_deadline_does_not_begin() {
    for (limit, attempts) in [(millis(900), 1), (secs(1), 1), (millis(1_100), 2), (millis(3_500), 4)] {
        let log = Log::default();
        let retries = client(eager().max_attempts(100).backoff(secs(1)), &log, never);
        let client = ServiceBuilder::new().layer(TimeoutLayer::new(limit)).service(retries);
        let start = Instant::now();
        // The answer it has, and not the timeout.
        assert_eq!(client.oneshot(()).await, Err(Error::Service(attempts)));
        assert_eq!((log.count(), start.elapsed()), (attempts, secs(attempts as u64 - 1)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_response_is_dropped_before_the_pause() {
    let (log, dropped) = (Log::default(), Flag::default());
    let (noted, response) = (log.clone(), dropped.clone());
    let callee = service_fn(move |()| {
        noted.note();
        std::future::ready(Ok::<_, Error>(response.raised_on_drop()))
    });
    let policy =
        eager().classify(|_: Result<&RaisedOnDrop, &Error>| Verdict::Failure(Failure::new(Effect::NotApplied)));
    let client = ServiceBuilder::new().layer(RetryLayer::new(policy.backoff(secs(1)).build().unwrap())).service(callee);
    let mut response = task::spawn(client.oneshot(()));
    assert_pending!(response.poll());
    assert_eq!(log.count(), 1);
    assert!(dropped.is_raised());
}

#[tokio::test(start_paused = true)]
async fn what_may_have_taken_effect_is_repeated_only_if_that_is_harmless() {
    let attempts = async |effect: Effect, assumed: bool, known: bool| {
        let log = Log::default();
        let policy = eager().assume_idempotent(assumed).replay(Copies::idempotent(known)).classify(fails(effect));
        let _ = client(policy, &log, never).oneshot(Parcel::default()).await;
        log.count()
    };
    for (assumed, known) in [(false, false), (false, true), (true, false), (true, true)] {
        assert_eq!(attempts(Effect::NotApplied, assumed, known).await, 3);
        assert_eq!(attempts(Effect::Unknown, assumed, known).await, if assumed || known { 3 } else { 1 });
    }
}

#[tokio::test(start_paused = true)]
async fn by_default_no_request_is_taken_for_idempotent() {
    let log = Log::default();
    let _ = client(RetryPolicy::builder(), &log, never).oneshot(()).await;
    assert_eq!(log.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn only_failures_are_repeated() {
    for verdict in [Verdict::Success, Verdict::Declined, Verdict::Ignored] {
        let log = Log::default();
        let policy = eager().classify(move |_: Result<&usize, &Error>| verdict);
        assert_eq!(client(policy, &log, never).oneshot(()).await, Err(Error::Service(1)));
        assert_eq!(log.count(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_a_failure_is_repeated() {
    let log = Log::default();
    let policy = eager().classify(|result: Result<&usize, &Error>| match result {
        Ok(1) => Verdict::Failure(Failure::new(Effect::Unknown)),
        _ => Verdict::Success,
    });
    assert_eq!(client(policy, &log, |_| true).oneshot(()).await, Ok(2));
}

#[tokio::test(start_paused = true)]
async fn rejections_by_an_open_circuit_or_a_full_bulkhead_are_not_repeated_and_timeouts_are() {
    let open = Circuit::builder("down").build().unwrap();
    open.force_open();
    let full = BulkheadLayer::new(1).unwrap();
    let _in_flight = ServiceBuilder::new().layer(full.clone()).service(service_fn(stuck)).call(());

    assert_eq!(attempts_over(CircuitBreakerLayer::new(open)).await, 1);
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
        .layer(RetryLayer::new(eager().build().expect("the policy is valid")))
        .map_request(move |()| {
            noted.note();
        })
        .layer(layer)
        .service(service_fn(stuck as fn(()) -> Stuck));
    assert!(matches!(client.oneshot(()).await, Err(Error::Rejected(_))));
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
    idempotent: bool,
    keyed: bool,
}

impl Copies {
    fn idempotent(idempotent: bool) -> Self {
        Self { made: Arc::default(), most: usize::MAX, idempotent, keyed: false }
    }
}

impl Replay<Parcel> for Copies {
    fn replay(&self, request: &Parcel) -> Option<Parcel> {
        (request.copy < self.most)
            .then(|| Parcel { copy: self.made.fetch_add(1, Ordering::Relaxed) + 1, resends: None })
    }

    fn is_idempotent(&self, _: &Parcel) -> bool {
        self.idempotent
    }

    fn is_keyed(&self, _: &Parcel) -> bool {
        self.keyed
    }

    fn number(&self, request: &mut Parcel, resends: u32) {
        request.resends = Some(resends);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_in_progress_is_repeated_only_if_the_callee_knows_a_repeat() {
    for (keyed, attempts) in [(true, 3), (false, 1)] {
        let log = Log::default();
        let copies = Copies { keyed, ..Copies::idempotent(true) };
        let in_progress = |_: Result<&usize, &Error>| Verdict::in_progress(Some(secs(2)));
        let policy = eager().backoff(millis(1)).replay(copies).classify(in_progress);
        let _ = client(policy, &log, never).oneshot(Parcel::default()).await;
        assert_slept(&log.pauses(), &vec![secs(2); attempts - 1]);
    }
}

#[tokio::test(start_paused = true)]
async fn each_copy_is_told_how_often_the_request_was_sent_before() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let requests = Arc::clone(&seen);
    let callee = service_fn(move |request: Parcel| {
        requests.lock().unwrap().push((request.copy, request.resends));
        std::future::ready(Err::<(), _>(Error::Service(0)))
    });
    let policy = eager().max_attempts(4).replay(Copies::idempotent(true)).build().unwrap();
    let _ = ServiceBuilder::new().layer(RetryLayer::new(policy)).service(callee).oneshot(Parcel::default()).await;
    assert_eq!(*seen.lock().unwrap(), [(0, None), (1, Some(1)), (2, Some(2)), (3, Some(3))]);
}

#[tokio::test(start_paused = true)]
async fn each_attempt_sends_a_copy_and_no_copy_is_made_in_vain() {
    for attempts in 1..=4 {
        let copies = Copies::idempotent(true);
        let (log, made) = (Log::default(), Arc::clone(&copies.made));
        let _ = client(eager().max_attempts(attempts).replay(copies), &log, never).oneshot(Parcel::default()).await;
        assert_eq!(log.count(), attempts as usize);
        assert_eq!(made.load(Ordering::Relaxed), attempts as usize - 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_cannot_be_copied_is_sent_once_and_its_first_answer_returned() {
    let start = Instant::now();
    let log = Log::default();
    let copies = Copies { most: 0, ..Copies::idempotent(true) };
    assert_eq!(client(eager().replay(copies), &log, never).oneshot(Parcel::default()).await, Err(Error::Service(1)));
    assert_eq!((log.count(), start.elapsed()), (1, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_cannot_be_copied_is_the_last_that_is_sent() {
    let log = Log::default();
    let copies = Copies { most: 1, ..Copies::idempotent(true) };
    let policy = eager().max_attempts(9).replay(copies);
    assert_eq!(client(policy, &log, never).oneshot(Parcel::default()).await, Err(Error::Service(2)));
}

/// Every request fails at first and would succeed if it were repeated: the callee is asked at most 20 % more.
#[tokio::test(start_paused = true)]
async fn the_budget_bounds_the_load_also_if_every_retry_succeeds() {
    const REQUESTS: usize = 10_000;
    let log = Log::default();
    let policy = RetryPolicy::builder().assume_idempotent(true).backoff(millis(1));
    let mut retried = 0;
    // One client, which remembers for each request whether it was sent before.
    let client = Retried::client(policy, &log);
    for _ in 0..REQUESTS {
        retried += usize::from(client.clone().oneshot(Retried::default()).await.is_ok());
    }
    assert_eq!(log.count(), REQUESTS + retried);
    assert!(retried <= REQUESTS / 5 + 10, "{retried}");
    assert!(retried >= REQUESTS / 5 - 64, "{retried}");
}

/// A request whose copy knows that it is one.
#[derive(Debug, Default)]
struct Retried(bool);

impl Clone for Retried {
    fn clone(&self) -> Self {
        Self(true)
    }
}

impl Retried {
    fn client(policy: RetryPolicyBuilder, log: &Log) -> impl Service<Self, Response = (), Error = Error> + Clone {
        let log = log.clone();
        let callee = service_fn(move |Self(retried)| {
            let number = log.note();
            async move { if retried { Ok(()) } else { Err(Error::Service(number)) } }
        });
        ServiceBuilder::new().layer(RetryLayer::new(policy.build().expect("the policy is valid"))).service(callee)
    }
}

#[tokio::test(start_paused = true)]
async fn an_unlimited_budget_pays_for_every_retry() {
    let log = Log::default();
    let client = client(eager(), &log, never);
    for _ in 0..1_000 {
        let _ = client.clone().oneshot(()).await;
    }
    assert_eq!(log.count(), 3_000);
}

/// Takes three seconds to do away with an answer, and notes in one what it took to get it.
struct Slow(Log);

impl Dispose<Noted> for Slow {
    type Future = tokio::time::Sleep;

    fn dispose(&self, _: Noted) -> Self::Future {
        self.0.note();
        sleep(secs(3))
    }

    fn mark(&self, answer: &mut Noted, attempts: &Attempts) {
        answer.attempts = Some(attempts.clone());
    }
}

#[derive(Debug, Default)]
struct Noted {
    refused: bool,
    attempts: Option<Attempts>,
}

struct Refused;

impl Classify<Noted, Error> for Refused {
    fn classify(&self, result: Result<&Noted, &Error>) -> Verdict {
        if result.is_ok_and(|answer| answer.refused) {
            Verdict::Failure(Failure::new(Effect::NotApplied))
        } else {
            Verdict::Success
        }
    }

    fn error_type(&self, _: Result<&Noted, &Error>) -> Cow<'static, str> {
        "refused".into()
    }
}

/// A refused answer is done away with during the pause, and the next attempt waits for the end of both.
#[tokio::test(start_paused = true)]
async fn refused_answers_are_disposed_of_and_the_answer_says_what_it_took() {
    for (pause, apart) in [(secs(1), secs(3)), (secs(5), secs(5))] {
        for refusals in 0..3 {
            let (log, disposed) = (Log::default(), Log::default());
            let noted = log.clone();
            let callee = service_fn(move |()| {
                let refused = noted.note() <= refusals;
                std::future::ready(Ok::<_, Error>(Noted { refused, attempts: None }))
            });
            let policy = eager().backoff(pause).classify(Refused).dispose(Slow(disposed.clone())).build().unwrap();
            let answer = ServiceBuilder::new().layer(RetryLayer::new(policy)).service(callee).oneshot(()).await;
            assert_slept(&log.pauses(), &vec![apart; refusals]);
            assert_eq!(disposed.count(), refusals);
            let attempts = answer.unwrap().attempts;
            assert_eq!(attempts.is_some(), refusals > 0);
            if let Some(attempts) = attempts {
                assert_eq!((attempts.count(), attempts.reasons), (refusals + 1, vec!["refused".into(); refusals]));
                assert_eq!(attempts.paused, pause * u32::try_from(refusals).unwrap());
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_sibling_follows_the_same_rules_and_has_a_budget_of_its_own() {
    let budget = RetryBudget::new(0.001, 8).unwrap();
    let policy = eager().max_attempts(2).backoff(secs(1)).budget(budget).build().unwrap();
    for policy in [policy.sibling(), policy.sibling(), policy] {
        let log = Log::default();
        let noted = log.clone();
        let callee = service_fn(move |()| std::future::ready(Err::<(), _>(Error::Service(noted.note()))));
        let client = ServiceBuilder::new().layer(RetryLayer::new(policy)).service(callee);
        assert_eq!(client.clone().oneshot(()).await, Err(Error::Service(2)));
        assert_slept(&log.pauses(), &[secs(1)]);
        for _ in 0..20 {
            let _ = client.clone().oneshot(()).await;
        }
        assert_eq!(log.count(), 21 + 8);
    }
}

/// Sends 50 requests and says how many retries they got.
async fn retries_of_fifty(policy: RetryPolicyBuilder) -> usize {
    let log = Log::default();
    let client = client(policy.backoff(millis(1)), &log, never);
    for _ in 0..50 {
        let _ = client.clone().oneshot(()).await;
    }
    log.count() - 50
}

#[tokio::test(start_paused = true)]
async fn two_policies_may_share_a_budget() {
    let budget = RetryBudget::new(0.001, 8).unwrap();
    assert_eq!(retries_of_fifty(eager().budget(budget.clone())).await, 8);
    assert_eq!(retries_of_fifty(eager().budget(budget)).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_policy_has_a_budget_of_its_own_unless_it_is_given_one() {
    let policy = || RetryPolicy::builder().assume_idempotent(true);
    for _ in 0..2 {
        assert_eq!(retries_of_fifty(policy()).await, 50 / 5 + 10);
    }
}

#[tokio::test(start_paused = true)]
async fn a_budget_recovers_after_ten_seconds() {
    let budget = RetryBudget::new(0.001, 8).unwrap();
    let start = Instant::now();
    let retries = async || retries_of_fifty(eager().budget(budget.clone())).await;
    assert_eq!(retries().await, 8);
    advance(millis(9_800)).await;
    assert_eq!(retries().await, 0);
    assert!(start.elapsed() < secs(10));
    advance(millis(200)).await;
    assert_eq!(retries().await, 8);
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_does_not_happen_is_not_paid_for() {
    let budget = RetryBudget::new(0.001, 8).unwrap();
    let paid = || eager().budget(budget.clone());
    let log = Log::default();
    for _ in 0..20 {
        let _ = client(paid().classify(asks_for(secs(61))), &log, never).oneshot(()).await;
        let _ = client(paid().max_elapsed(millis(1)).backoff(secs(1)), &log, never).oneshot(()).await;
        let _ = client(paid().assume_idempotent(false), &log, never).oneshot(()).await;
        let _ = client(paid().max_attempts(1), &log, never).oneshot(()).await;
        let hurried = client(paid().backoff(secs(1)), &log, never);
        let _ = ServiceBuilder::new().layer(TimeoutLayer::new(millis(1))).service(hurried).oneshot(()).await;
    }
    assert_eq!(log.count(), 100);
    assert_eq!(retries_of_fifty(paid()).await, 8);
}

/// A client whose first attempt fails, and whose callee is asked a second time whether it is ready by `poll_ready`.
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
    ServiceBuilder::new().layer(RetryLayer::new(policy)).service(Steered { poll_ready, call })
}

#[tokio::test(start_paused = true)]
async fn a_service_that_breaks_before_the_retry_has_the_last_word() {
    let client = asked_again(|_| Poll::Ready(Err(Error::Service(99))));
    assert_eq!(client.oneshot(()).await, Err(Error::Service(99)));
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
        let mut response = task::spawn(client(policy, &Log::default(), never).oneshot(()));
        assert_pending!(response.poll());
        advance(secs(365 * 24 * 60 * 60)).await;
        assert_pending!(response.poll());
    }
    let callee = service_fn(|()| async {
        sleep(secs(1)).await;
        Err::<(), _>(Error::Service(1))
    });
    let policy = eager().backoff(Duration::MAX).max_elapsed(secs(60)).build().unwrap();
    let bounded = ServiceBuilder::new().layer(RetryLayer::new(policy)).service(callee);
    assert_eq!(bounded.oneshot(()).await, Err(Error::Service(1)));
}

#[tokio::test(start_paused = true)]
async fn to_drop_the_response_during_a_pause_ends_it() {
    let log = Log::default();
    let mut response = task::spawn(client(eager().backoff(secs(1)), &log, never).oneshot(()));
    assert_pending!(response.poll());
    drop(response);
    advance(secs(60)).await;
    assert_eq!(log.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn to_drop_the_response_drops_the_attempt_under_way() {
    let dropped = Flag::default();
    let attempt = dropped.clone();
    let callee = service_fn(move |()| {
        let guard = attempt.raised_on_drop();
        async move {
            pending::<()>().await;
            drop(guard);
            Ok::<_, Error>(())
        }
    });
    let client = ServiceBuilder::new().layer(RetryLayer::new(eager().build().unwrap())).service(callee);
    let mut response = task::spawn(client.oneshot(()));
    assert_pending!(response.poll());
    assert!(!dropped.is_raised());
    drop(response);
    assert!(dropped.is_raised());
}

#[test]
fn an_attempt_that_succeeds_needs_no_runtime() {
    let mut response = task::spawn(client(eager(), &Log::default(), |_| true).oneshot(()));
    assert_ready_ok!(response.poll());
}

#[test]
#[should_panic(expected = "runtime")]
fn a_pause_panics_without_a_runtime() {
    let _ = task::spawn(client(eager(), &Log::default(), never).oneshot(())).poll();
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
    let layer = RetryLayer::new(eager().max_attempts(2).build().unwrap());
    let mut retry = layer.layer(Named(1));
    assert_eq!(retry.ready().await.unwrap().call(()).await, Err(Error::Service(1)));
    retry.get_mut().0 = 2;
    let mut clone = retry.clone();
    assert_eq!(retry.ready().await.unwrap().call(()).await, Err(Error::Service(2)));
    assert_eq!(clone.ready().await.unwrap().call(()).await, Err(Error::Service(2)));
}
