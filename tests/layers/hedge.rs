//! Hedges, as their users see them.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_test::{assert_pending, assert_ready, task};
use tower::layer::util::Identity;
use tower::util::BoxCloneSyncService;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use windbreak::circuit_breaker::State;
use windbreak::hedge::{HedgeLayer, Hedging};
use windbreak::retry::{Attempts, RetryBudget};
use windbreak::rules::{Classify, Discard, Discarding, ErrorsOnly, Idempotency, Repeat, Replay, rules_fn};
use windbreak::{
    Circuit, CircuitBreakerLayer, Effect, Error, Failure, Rejection, RetryLayer, RetryPolicy, TimeoutLayer, Verdict,
};

use crate::support::{Flag, Log, all_idempotent, all_safe, millis, secs};

/// The request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Get,
    Post,
}

use Method::{Get, Post};

type Answer = Result<usize, Error<usize>>;

/// What becomes of a call.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// The number of the call, as its response, after this long.
    Answers(Duration),
    /// The number of the call, as its error, after this long.
    Fails(Duration),
    Hangs,
}

use Fate::{Answers, Fails, Hangs};

type Client = BoxCloneSyncService<Method, usize, Error<usize>>;

/// A client whose calls, counted from 1 in the log, have these fates, and whose last fate is that of all that follow.
fn client<L>(layer: L, log: &Log, fates: &[Fate]) -> Client
where
    L: Layer<Client>,
    L::Service: Service<Method, Response = usize, Error = Error<usize>> + Clone + Send + Sync + 'static,
    <L::Service as Service<Method>>::Future: Send + 'static,
{
    let (log, fates): (_, Arc<[Fate]>) = (log.clone(), fates.into());
    let upstream = service_fn(move |_| {
        let number = log.note();
        let fate = fates[(number - 1).min(fates.len() - 1)];
        async move {
            match fate {
                Answers(after) => {
                    sleep(after).await;
                    Ok(number)
                }
                Fails(after) => {
                    sleep(after).await;
                    Err(Error::Service(number))
                }
                Hangs => std::future::pending().await,
            }
        }
    });
    BoxCloneSyncService::new(layer.layer(BoxCloneSyncService::new(upstream)))
}

/// Hedges every request after 100 ms.
fn after_100_ms() -> HedgeLayer<crate::support::AllIdempotent<Method>> {
    HedgeLayer::after(millis(100), all_idempotent()).budget(RetryBudget::unlimited())
}

/// Calls, and says how long it took. Time moves in steps of a millisecond, and a sleep takes up to one longer.
async fn timed(client: &Client) -> (Answer, u128) {
    let start = Instant::now();
    let answer = client.clone().oneshot(Get).await;
    (answer, start.elapsed().as_millis())
}

fn assert_took(millis: u128, expected: u128) {
    assert!((expected..=expected + 3).contains(&millis), "took {millis} ms, not {expected} ms");
}

#[tokio::test(start_paused = true)]
async fn a_fast_first_attempt_is_sent_alone() {
    let log = Log::default();
    let layer = after_100_ms();
    let (answer, took) = timed(&client(layer.clone(), &log, &[Answers(millis(90))])).await;
    assert_eq!((answer, log.count()), (Ok(1), 1));
    assert_took(took, 90);
    assert_eq!(layer.hedging().counts().sent, 0);
}

#[tokio::test(start_paused = true)]
async fn a_slow_first_attempt_gets_a_hedge_and_the_first_good_response_wins() {
    for (first, hedge, winner, took) in [(secs(5), millis(20), 2, 120), (millis(130), secs(5), 1, 130)] {
        let log = Log::default();
        let layer = after_100_ms();
        let (answer, millis) = timed(&client(layer.clone(), &log, &[Answers(first), Answers(hedge)])).await;
        assert_eq!((answer, log.count()), (Ok(winner), 2));
        assert_took(millis, took);
        let counts = layer.hedging().counts();
        assert_eq!((counts.sent, counts.won), (1, u64::from(winner == 2)));
    }
}

#[tokio::test(start_paused = true)]
async fn with_a_delay_of_zero_both_are_sent_at_once() {
    let log = Log::default();
    let layer = HedgeLayer::after(Duration::ZERO, all_idempotent());
    let (answer, took) = timed(&client(layer, &log, &[Hangs, Answers(millis(20))])).await;
    assert_eq!(answer, Ok(2));
    assert_took(took, 20);
}

#[tokio::test(start_paused = true)]
async fn with_the_longest_delay_no_hedge_is_sent() {
    let log = Log::default();
    let layer = HedgeLayer::after(Duration::MAX, all_idempotent());
    assert_eq!(layer.hedging().delay(), None);
    let (answer, took) = timed(&client(layer, &log, &[Answers(secs(86_400))])).await;
    assert_eq!((answer, log.count()), (Ok(1), 1));
    assert_took(took, 86_400_000);
}

#[tokio::test(start_paused = true)]
async fn of_10_000_posts_each_is_sent_exactly_once() {
    let log = Log::default();
    let rules = ErrorsOnly.idempotent(|request: &Method| *request == Get);
    let layer = HedgeLayer::after(Duration::ZERO, rules).budget(RetryBudget::unlimited()).max_hedges(3).unwrap();
    let client = client(layer.clone(), &log, &[Answers(millis(500))]);
    let calls: Vec<_> = (0..10_000).map(|_| tokio::spawn(client.clone().oneshot(Post))).collect();
    for call in calls {
        assert!(call.await.unwrap().is_ok());
    }
    assert_eq!((log.count(), layer.hedging().counts().sent), (10_000, 0));

    assert!(client.oneshot(Get).await.is_ok());
    assert_eq!(log.count(), 10_004);
}

#[tokio::test(start_paused = true)]
async fn only_what_is_safe_idempotent_or_keyed_is_hedged() {
    for (idempotency, expected) in
        [(Idempotency::Safe, 2), (Idempotency::Idempotent, 2), (Idempotency::Keyed, 2), (Idempotency::NotIdempotent, 1)]
    {
        let log = Log::default();
        let layer = HedgeLayer::after(millis(100), ErrorsOnly.idempotent(move |_: &Method| idempotency));
        let (answer, _) = timed(&client(layer, &log, &[Answers(secs(1))])).await;
        assert_eq!((answer, log.count()), (Ok(1), expected), "{idempotency:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_cannot_be_copied_is_sent_once() {
    let log = Log::default();
    let rules = ErrorsOnly.idempotent(|_: &Method| true).copy_with(|_: &Method| None);
    let (answer, _) = timed(&client(HedgeLayer::after(millis(100), rules), &log, &[Answers(secs(1))])).await;
    assert_eq!((answer, log.count()), (Ok(1), 1));
}

#[tokio::test(start_paused = true)]
async fn there_are_at_most_as_many_hedges_as_were_set_each_after_a_further_delay() {
    for hedges in 1..=3 {
        let log = Log::default();
        let layer = after_100_ms().max_hedges(hedges).unwrap();
        let client = client(layer, &log, &[Hangs]);
        assert!(timeout(secs(10), client.oneshot(Get)).await.is_err());
        assert_eq!(log.count(), hedges as usize + 1);
        for pause in log.pauses() {
            assert_took(pause.as_millis(), 100);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_refuses_leaves_the_first_attempt_alone() {
    let log = Log::default();
    let budget = RetryBudget::new(0.1, 1).unwrap();
    let layer = after_100_ms().max_hedges(3).unwrap().budget(budget.clone());
    let client = client(layer.clone(), &log, &[Answers(secs(1))]);
    assert_eq!(timed(&client).await.0, Ok(1));
    assert_eq!((log.count(), budget.remaining()), (2, 0), "the budget pays for one hedge, and refuses the second");
    let (answer, took) = timed(&client).await;
    assert_eq!((answer, log.count()), (Ok(3), 3));
    assert_took(took, 1_000);
    let counts = layer.hedging().counts();
    assert_eq!((counts.sent, counts.refused, budget.refused()), (1, 2, 2));
}

#[tokio::test(start_paused = true)]
async fn retries_and_hedges_share_a_budget() {
    let log = Log::default();
    let budget = RetryBudget::new(0.1, 2).unwrap();
    let policy = RetryPolicy::builder().budget(budget.clone()).max_attempts(2).build().unwrap();
    let layers = ServiceBuilder::new()
        .layer(after_100_ms().budget(budget.clone()))
        .layer(RetryLayer::new(policy, all_idempotent::<Method>()))
        .into_inner();
    let client = client(layers, &log, &[Fails(Duration::ZERO), Hangs, Answers(Duration::ZERO)]);
    assert_eq!(timed(&client).await.0, Ok(3));
    assert_eq!(budget.remaining(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_budget_of_its_own_bounds_the_extra_load_when_all_are_slow() {
    let log = Log::default();
    let layer = HedgeLayer::after(millis(100), all_idempotent());
    let client = client(layer.clone(), &log, &[Answers(secs(1))]);
    let calls: Vec<_> = (0..1_000)
        .map(|n| {
            let client = client.clone();
            tokio::spawn(async move {
                sleep(millis(5 * n)).await;
                client.oneshot(Get).await
            })
        })
        .collect();
    for call in calls {
        assert!(call.await.unwrap().is_ok());
    }
    let sent = layer.hedging().counts().sent;
    assert!((100..=210).contains(&sent), "{sent} hedges of 1,000 requests");
    assert_eq!(log.count() as u64, 1_000 + sent);
}

#[tokio::test(start_paused = true)]
async fn a_failure_before_the_delay_is_returned_at_once() {
    let log = Log::default();
    let (answer, took) = timed(&client(after_100_ms(), &log, &[Fails(millis(50)), Answers(millis(1))])).await;
    assert_eq!((answer, log.count()), (Err(Error::Service(1)), 1));
    assert_took(took, 50);
}

#[tokio::test(start_paused = true)]
async fn if_one_fails_later_the_other_decides() {
    for (fates, answer, expected) in [
        ([Fails(millis(150)), Answers(millis(300))], Ok(2), 400),
        ([Answers(millis(400)), Fails(millis(20))], Ok(1), 400),
    ] {
        let log = Log::default();
        let (result, took) = timed(&client(after_100_ms(), &log, &fates)).await;
        assert_eq!((result, log.count()), (answer, 2));
        assert_took(took, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn no_further_hedge_is_sent_once_the_first_attempt_has_failed() {
    let log = Log::default();
    let layer = after_100_ms().max_hedges(3).unwrap();
    let (answer, took) = timed(&client(layer, &log, &[Fails(millis(150)), Answers(secs(1))])).await;
    assert_eq!((answer, log.count()), (Ok(2), 2));
    assert_took(took, 1_100);
}

#[tokio::test(start_paused = true)]
async fn if_both_fail_the_result_is_that_of_the_first() {
    for fates in [[Fails(millis(150)), Fails(millis(300))], [Fails(millis(400)), Fails(millis(20))]] {
        let log = Log::default();
        let (answer, took) = timed(&client(after_100_ms(), &log, &fates)).await;
        let error = answer.unwrap_err();
        assert_eq!((error.service(), log.count()), (Some(&1), 2));
        assert_eq!(error.attempts().map(|attempts| (attempts.count(), attempts.winner())), Some((2, Some(0))));
        assert_took(took, 400);
    }
}

/// Else a failover would take it for one that did nothing, and ask another provider. What says nothing hides none either.
#[tokio::test(start_paused = true)]
async fn an_attempt_without_effect_does_not_hide_one_beside_it_that_may_have_had_one() {
    let refused = Verdict::Failure(Failure::new(Effect::NotApplied));
    for (idle, idempotency, expected) in [
        (1, Idempotency::Keyed, 2),
        (1, Idempotency::Idempotent, 2),
        (1, Idempotency::Safe, 1),
        (2, Idempotency::Keyed, 1),
    ] {
        for verdict in [refused, Verdict::throttled(None), Verdict::Ignored] {
            let rules = rules_fn(move |result: Result<&usize, &Error<usize>>| match result {
                Err(error) if error.service() == Some(&idle) => verdict,
                Err(_) => Verdict::UNKNOWN,
                Ok(_) => Verdict::Success,
            })
            .idempotent(move |_: &Method| idempotency);
            for fates in [[Fails(millis(150)), Fails(millis(300))], [Fails(millis(400)), Fails(millis(20))]] {
                let layer = HedgeLayer::after(millis(100), rules.clone()).budget(RetryBudget::unlimited());
                let (answer, _) = timed(&client(layer, &Log::default(), &fates)).await;
                let error = answer.unwrap_err();
                let winner = error.attempts().unwrap().winner();
                assert_eq!((error.service(), winner), (Some(&expected), Some(expected as u32 - 1)), "{idempotency:?}");
            }
        }
    }
}

/// That another layer rejected the first attempt says nothing of the hedge.
#[tokio::test(start_paused = true)]
async fn a_rejection_of_the_first_attempt_does_not_hide_a_hedge_that_was_sent() {
    let turn = Log::default();
    let upstream = service_fn(move |_: Method| {
        let number = turn.note();
        async move {
            sleep(millis(150)).await;
            if number == 1 { Err(Rejection::circuit_open("card", None).into()) } else { Err(Error::Service("lost")) }
        }
    });
    let keyed = ErrorsOnly.idempotent(|_: &Method| Idempotency::Keyed);
    let service = HedgeLayer::after(millis(100), keyed).layer(upstream);
    let answer: Result<(), _> = service.oneshot(Post).await;
    assert_eq!(answer.unwrap_err().service(), Some(&"lost"));
}

#[tokio::test(start_paused = true)]
async fn while_it_learns_it_copies_nothing() {
    let copies = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&copies);
    let rules = ErrorsOnly.idempotent(|_: &Method| true).copy_with(move |method: &Method| {
        seen.fetch_add(1, Ordering::Relaxed);
        Some(*method)
    });
    let layer = HedgeLayer::extra_load(0.05, rules).unwrap();
    let client = client(layer.clone(), &Log::default(), &[Answers(millis(20))]);
    for _ in 0..100 {
        timed(&client).await.0.unwrap();
    }
    assert_eq!((copies.load(Ordering::Relaxed), layer.hedging().delay().is_some()), (0, true));
    timed(&client).await.0.unwrap();
    assert_eq!(copies.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn only_success_and_declined_win() {
    for (verdict, expected) in [
        (Verdict::Success, 2),
        (Verdict::Declined, 2),
        (Verdict::UNKNOWN, 1),
        (Verdict::throttled(None), 1),
        (Verdict::in_progress(None), 1),
        (Verdict::Ignored, 1),
    ] {
        let rules = rules_fn(move |result: Result<&usize, &Error<usize>>| match result {
            Ok(2) => verdict,
            _ => Verdict::Success,
        })
        .idempotent(|_: &Method| Idempotency::Keyed);
        let log = Log::default();
        let client = client(HedgeLayer::after(millis(100), rules), &log, &[Answers(secs(1)), Answers(millis(1))]);
        assert_eq!(timed(&client).await.0, Ok(expected), "{verdict:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_loser_is_dropped_in_the_poll_that_returns() {
    // The first attempt loses, then the hedge does.
    for loser in [0, 1] {
        let (flag, calls) = (Flag::default(), Arc::new(AtomicUsize::new(0)));
        let upstream = service_fn({
            let flag = flag.clone();
            move |_: Method| {
                let is_loser = calls.fetch_add(1, Ordering::Relaxed) == loser;
                let dropped = is_loser.then(|| flag.raised_on_drop());
                async move {
                    sleep(if is_loser { secs(3_600) } else { millis(200) }).await;
                    drop(dropped);
                    Ok::<_, Error<()>>(())
                }
            }
        });
        let mut service = after_100_ms().layer(upstream);
        let mut response = task::spawn(service.call(Get));
        assert_pending!(response.poll());
        sleep(millis(101)).await;
        assert_pending!(response.poll());
        sleep(millis(250)).await;
        assert!(!flag.is_raised());
        assert_eq!(assert_ready!(response.poll()), Ok(()));
        assert!(flag.is_raised(), "the future of the response is still there, that of the loser is not");
    }
}

/// Rules that treat 500 as a failure, and note what they discard and mark.
#[derive(Clone, Default)]
struct Noting {
    is_keyed: bool,
    discarded: Arc<Mutex<Vec<usize>>>,
    read: Arc<AtomicUsize>,
    marked: Arc<Mutex<Vec<Attempts>>>,
}

impl Classify<usize, Error<usize>> for Noting {
    fn classify(&self, result: Result<&usize, &Error<usize>>) -> Verdict {
        if matches!(result, Ok(500..)) { Verdict::UNKNOWN } else { Verdict::Success }
    }
}

impl Repeat<usize> for Noting {
    fn idempotency(&self, _: &usize) -> Idempotency {
        if self.is_keyed { Idempotency::Keyed } else { Idempotency::Safe }
    }

    fn number(&self, request: &mut usize, resends: u32) {
        *request = resends as usize;
    }
}

impl Replay<usize> for Noting {
    fn copy(&self, request: &usize) -> Option<usize> {
        Some(*request)
    }
}

impl Discard<usize> for Noting {
    fn discard(&self, response: usize) -> Option<Discarding> {
        self.discarded.lock().expect("the test arranged it").push(response);
        let read = Arc::clone(&self.read);
        Some(Discarding::new(async move {
            sleep(millis(50)).await;
            read.fetch_add(1, Ordering::Relaxed);
        }))
    }

    fn mark(&self, _: &mut usize, attempts: &Attempts) {
        self.marked.lock().expect("the test arranged it").push(attempts.clone());
    }
}

/// Each attempt, by its number from 0, takes so many milliseconds and has this response.
fn numbered(
    rules: &Noting,
    attempts: &[(u64, usize)],
) -> impl Service<usize, Response = usize, Error = Error<usize>> + use<> {
    let attempts: Arc<[_]> = attempts.into();
    let layer = HedgeLayer::after(millis(100), rules.clone()).max_hedges(3).expect("the test arranged it");
    layer.layer(service_fn(move |number: usize| {
        let (took, response) = attempts[number];
        async move {
            sleep(millis(took)).await;
            Ok(response)
        }
    }))
}

#[tokio::test(start_paused = true)]
async fn a_losers_response_that_has_arrived_is_discarded() {
    let rules = Noting::default();
    // The first fails while the hedge is at work, and the hedge wins.
    assert_eq!(numbered(&rules, &[(150, 500), (100, 200)]).oneshot(0).await, Ok(200));
    assert_eq!(*rules.discarded.lock().unwrap(), [500]);

    // The hedge fails first; its response is read while the first is at work.
    let rules = Noting::default();
    assert_eq!(numbered(&rules, &[(190, 200), (10, 503)]).oneshot(0).await, Ok(200));
    assert_eq!((&*rules.discarded.lock().unwrap(), rules.read.load(Ordering::Relaxed)), (&vec![503], 1));

    // Both fail.
    let rules = Noting::default();
    assert_eq!(numbered(&rules, &[(150, 500), (80, 503)]).oneshot(0).await, Ok(500));
    assert_eq!(*rules.discarded.lock().unwrap(), [503]);
}

/// It is kept until then, because it may have to be returned.
#[tokio::test(start_paused = true)]
async fn the_response_of_a_hedge_that_may_have_taken_effect_is_discarded_once_another_is_returned() {
    for (attempts, returned, discarded) in [
        (&[(190, 200), (10, 503)][..], 200, &[503][..]),
        (&[(150, 500), (80, 503)], 500, &[503]),
        (&[(900, 200), (10, 503), (10, 200)], 200, &[503]),
        (&[(250, 500), (10, 503), (100, 200)], 200, &[500, 503]),
    ] {
        let rules = Noting { is_keyed: true, ..Noting::default() };
        assert_eq!(numbered(&rules, attempts).oneshot(0).await, Ok(returned));
        assert_eq!(*rules.discarded.lock().unwrap(), discarded, "{attempts:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_say_which_one_won() {
    let rules = Noting::default();
    numbered(&rules, &[(10, 200)]).oneshot(0).await.unwrap();
    assert!(rules.marked.lock().unwrap().is_empty(), "one attempt needs no words");

    for (attempts, winner, hedges) in [
        (&[(150, 200), (900, 200)][..], 0, 1),
        (&[(900, 200), (10, 200)], 1, 1),
        (&[(900, 200), (900, 200), (10, 200)], 2, 2),
    ] {
        numbered(&rules, attempts).oneshot(0).await.unwrap();
        let marked = rules.marked.lock().unwrap().pop().unwrap();
        assert_eq!((marked.winner(), marked.hedges(), marked.count()), (Some(winner), hedges, hedges + 1));
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_of_retries_below_are_counted_with_the_hedges() {
    let log = Log::default();
    let policy = RetryPolicy::builder().max_attempts(2).budget(RetryBudget::unlimited()).build().unwrap();
    let layers = ServiceBuilder::new()
        .layer(after_100_ms())
        .layer(RetryLayer::new(policy, all_idempotent::<Method>()))
        .into_inner();
    let error = timed(&client(layers, &log, &[Fails(millis(200))])).await.0.unwrap_err();
    let attempts = error.attempts().unwrap();
    assert_eq!((attempts.winner(), attempts.hedges(), attempts.count(), log.count()), (Some(0), 1, 3, 4));
    assert_eq!(attempts.reasons().collect::<Vec<_>>(), ["_OTHER"]);
}

#[tokio::test(start_paused = true)]
async fn no_hedge_is_sent_that_could_not_end_before_the_deadline() {
    // The first hedge tells how long one takes at least.
    let log = Log::default();
    let layer = after_100_ms();
    let hedged = client(layer.clone(), &log, &[Hangs, Answers(millis(50)), Answers(secs(1))]);
    assert_eq!(timed(&hedged).await.0, Ok(2));
    for (limit, sent) in [(millis(145), 1), (millis(160), 2), (millis(90), 2)] {
        let client = TimeoutLayer::new(limit).layer(hedged.clone());
        let rejection = client.oneshot(Get).await.unwrap_err().into_service().unwrap_err();
        assert_eq!(rejection, Rejection::timeout(limit));
        assert_eq!(layer.hedging().counts().sent, sent, "{limit:?}");
    }
    assert_eq!(layer.hedging().counts().too_late, 1);
}

#[tokio::test(start_paused = true)]
async fn where_the_delay_is_learned_a_hedge_needs_the_median_before_the_deadline() {
    let log = Log::default();
    let layer = HedgeLayer::extra_load(0.05, all_idempotent()).unwrap().budget(RetryBudget::unlimited());
    let mut fates: Vec<_> = (0..100).map(|n| Answers(if n < 90 { millis(50) } else { millis(100) })).collect();
    fates.push(Hangs);
    let hedged = client(layer.clone(), &log, &fates);
    for _ in 0..100 {
        timed(&hedged).await.0.unwrap();
    }
    for (limit, hedges) in [(140, 0), (200, 1)] {
        let (client, before) = (TimeoutLayer::new(millis(limit)).layer(hedged.clone()), log.count());
        client.oneshot(Get).await.unwrap_err();
        assert_eq!(log.count() - before, 1 + hedges, "{limit} ms");
    }
}

/// Panics if it is called before it was polled ready, which takes a second after the first call of any clone.
#[derive(Default)]
struct SlowToBeReady {
    is_ready: bool,
    wait: Option<Pin<Box<Sleep>>>,
    log: Log,
}

impl Clone for SlowToBeReady {
    fn clone(&self) -> Self {
        Self { log: self.log.clone(), ..Self::default() }
    }
}

impl Service<Method> for SlowToBeReady {
    type Response = usize;
    type Error = Error<usize>;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if self.log.count() > 0 {
            ready!(self.wait.get_or_insert_with(|| Box::pin(sleep(secs(1)))).as_mut().poll(cx));
        }
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Method) -> Self::Future {
        assert!(std::mem::take(&mut self.is_ready), "called before it was polled ready");
        let number = self.log.note();
        Box::pin(async move { if number == 1 { std::future::pending().await } else { Ok(number) } })
    }
}

#[tokio::test(start_paused = true)]
async fn a_hedge_is_made_by_a_clone_that_was_polled_ready_by_itself() {
    let upstream = SlowToBeReady::default();
    let log = upstream.log.clone();
    let start = Instant::now();
    assert_eq!(after_100_ms().layer(upstream).oneshot(Get).await, Ok(2));
    assert_took(start.elapsed().as_millis(), 1_100);
    assert_eq!(log.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn dropped_in_any_state_it_drops_all_attempts_and_copies() {
    let held = Arc::new(());
    let hangs = service_fn(|request: Arc<()>| async move {
        std::future::pending::<()>().await;
        drop(request);
        Ok::<_, Error<()>>(())
    });
    let layer = HedgeLayer::after(millis(100), all_idempotent()).max_hedges(3).unwrap();
    let service = layer.layer(hangs);
    for wait in [0, 50, 150, 250, 350] {
        let mut response = task::spawn(service.clone().oneshot(Arc::clone(&held)));
        if wait > 0 {
            assert_pending!(response.poll());
        }
        for _ in 0..wait / 50 {
            sleep(millis(50)).await;
            assert_pending!(response.poll());
        }
        drop(response);
        assert_eq!(Arc::strong_count(&held), 1, "after {wait} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn a_learned_delay_follows_what_is_seen() {
    let log = Log::default();
    let layer = HedgeLayer::extra_load(0.05, all_idempotent()).unwrap();
    let hedging: &Hedging = layer.hedging();
    let mut fates = vec![Answers(millis(20)); 100];
    fates.push(Answers(millis(40)));
    let client = client(layer.clone(), &log, &fates);
    for _ in 0..99 {
        timed(&client).await.0.unwrap();
        assert_eq!(hedging.delay(), None, "before 100 attempts");
    }
    timed(&client).await.0.unwrap();
    let delay = hedging.delay().unwrap();
    assert!((millis(20)..millis(23)).contains(&delay), "{delay:?}");

    // All are slower now, and the hedges with them.
    for _ in 0..64 {
        timed(&client).await.0.unwrap();
    }
    let delay = hedging.delay().unwrap();
    assert!((millis(40)..millis(44)).contains(&delay), "{delay:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_cancelled_or_fails_took_at_least_so_long() {
    let log = Log::default();
    let layer = HedgeLayer::extra_load(0.2, all_idempotent()).unwrap().max_hedges(0).unwrap();
    let hedging = layer.hedging();
    hedging.set_max_hedges(1).unwrap();
    let fates: Vec<_> = (0..200)
        .map(|n| [Answers(millis(20)), Fails(millis(1)), Hangs][usize::from(n % 4 == 1) + 2 * usize::from(n % 4 == 3)])
        .collect();
    let client = client(layer.clone(), &log, &fates);
    for _ in 0..100 {
        _ = timeout(millis(500), client.clone().oneshot(Get)).await;
    }
    // A third of those that did not fail at once were cancelled: nobody knows how long one in five takes.
    let delay = hedging.delay().unwrap();
    assert!((millis(500)..millis(520)).contains(&delay), "{delay:?}");
}

#[tokio::test(start_paused = true)]
async fn it_is_turned_while_it_runs() {
    let log = Log::default();
    let layer = after_100_ms();
    let hedging = layer.hedging().clone();
    let client = client(layer, &log, &[Answers(millis(500))]);
    hedging.set_after(millis(300));
    assert_eq!(hedging.delay(), Some(millis(300)));
    timed(&client).await.0.unwrap();
    assert_took(log.pauses()[0].as_millis(), 300);

    hedging.set_max_hedges(0).unwrap();
    timed(&client).await.0.unwrap();
    assert_eq!((log.count(), hedging.max_hedges()), (3, 0));

    hedging.set_max_hedges(1).unwrap();
    hedging.set_extra_load(0.1).unwrap();
    assert_eq!(hedging.delay(), None, "nothing has been seen yet");
    timed(&client).await.0.unwrap();
    assert_eq!(log.count(), 4);
}

#[test]
fn numbers_out_of_their_bounds_are_named() {
    for (ratio, value) in
        [(0.0, "0.0"), (-0.1, "-0.1"), (0.51, "0.51"), (1.5, "1.5"), (f64::NAN, "NaN"), (f64::INFINITY, "inf")]
    {
        let message = format!("`extra_load` is {value}; it must be from 0.001 to 0.5");
        assert_eq!(HedgeLayer::extra_load(ratio, ErrorsOnly).unwrap_err().to_string(), message);
        let layer = HedgeLayer::after(millis(1), ErrorsOnly);
        assert_eq!(layer.hedging().set_extra_load(ratio).unwrap_err().to_string(), message);
        assert_eq!(layer.hedging().delay(), Some(millis(1)), "nothing is changed");
    }
    let error = HedgeLayer::after(millis(1), ErrorsOnly).max_hedges(4).unwrap_err();
    assert_eq!(error.to_string(), "`max_hedges` is 4; it must be at most 3");
}

#[tokio::test(start_paused = true)]
async fn a_hung_upstream_opens_the_circuit_although_the_hedges_succeed() {
    let log = Log::default();
    let circuit = Circuit::builder("upstream").abandoned_after(millis(50)).build().unwrap();
    let layers = ServiceBuilder::new()
        .layer(after_100_ms())
        .layer(CircuitBreakerLayer::new(circuit.clone(), ErrorsOnly))
        .into_inner();
    // The first attempts hang, as those of one broken replica do.
    let fates: Vec<_> = (0..1_000).map(|n| if n % 2 == 0 { Hangs } else { Answers(millis(10)) }).collect();
    let client = client(layers, &log, &fates);
    for _ in 0..500 {
        match timed(&client).await.0 {
            Ok(_) => {}
            Err(error) => {
                assert!(error.is_circuit_open());
                break;
            }
        }
    }
    assert_eq!(circuit.state(), State::Open);
}

/// What clients of a long-tailed upstream see: the latencies in their order, and how many attempts were sent.
async fn long_tail<L>(layer: L) -> (Vec<Duration>, usize)
where
    L: Layer<Client>,
    L::Service: Service<Method, Response = usize, Error = Error<usize>> + Clone + Send + Sync + 'static,
    <L::Service as Service<Method>>::Future: Send + 'static,
{
    const REQUESTS: u64 = 20_000;

    let mut rng = SmallRng::seed_from_u64(7);
    // A Pareto distribution from 5 ms on with a shape of 1.2: half take up to 9 ms, and one in a thousand over 1.5 s.
    let mut draw = || Duration::from_secs_f64(0.005 * (1.0 - rng.random::<f64>()).powf(-1.0 / 1.2)).min(secs(30));
    let fates: Vec<_> = (0..2 * REQUESTS).map(|_| Answers(draw())).collect();
    let log = Log::default();
    let client = client(layer, &log, &fates);
    let calls: Vec<_> = (0..REQUESTS)
        .map(|n| {
            let client = client.clone();
            tokio::spawn(async move {
                sleep(millis(5 * n)).await;
                let start = Instant::now();
                client.oneshot(Get).await.expect("the test arranged it");
                start.elapsed()
            })
        })
        .collect();
    let mut latencies = Vec::new();
    for call in calls {
        latencies.push(call.await.expect("the test arranged it"));
    }
    latencies.sort();
    (latencies, log.count())
}

/// The figures of the docs.
#[tokio::test(start_paused = true)]
async fn on_a_long_tailed_upstream_the_99th_percentile_falls_for_little_load() {
    /// The 50th, 99th and 99.9th percentile in milliseconds, and the extra load in percent.
    fn figures((latencies, sent): (Vec<Duration>, usize)) -> [f64; 4] {
        let percentile =
            |percent: f64| latencies[(latencies.len() as f64 * percent / 100.0) as usize].as_secs_f64() * 1e3;
        [percentile(50.0), percentile(99.0), percentile(99.9), (sent as f64 / latencies.len() as f64 - 1.0) * 100.0]
    }

    let extra_load = |ratio| HedgeLayer::extra_load(ratio, all_safe()).unwrap();
    let figures = [
        figures(long_tail(Identity::new()).await),
        figures(long_tail(extra_load(0.02)).await),
        figures(long_tail(extra_load(0.05)).await),
        figures(long_tail(HedgeLayer::after(millis(30), all_safe())).await),
    ];
    for ([median, p99, p999, load], [expected_p99, expected_p999, expected_load]) in
        figures.into_iter().zip([[256.0, 1_730.0, 0.0], [150.0, 222.0, 2.0], [81.0, 134.0, 4.9], [53.0, 102.0, 11.7]])
    {
        assert!((median - 9.5).abs() < 1.0, "the median is {median} ms");
        assert!((p99 / expected_p99 - 1.0).abs() < 0.1, "the 99th percentile is {p99} ms, not {expected_p99} ms");
        assert!((p999 / expected_p999 - 1.0).abs() < 0.1, "the 99.9th percentile is {p999} ms, not {expected_p999} ms");
        assert!((load - expected_load).abs() < 0.2, "the extra load is {load} %, not {expected_load} %");
    }
}
