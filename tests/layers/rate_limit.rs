//! The rate limit, as its users see it.

use std::time::Duration;

use crate::support::{Log, millis, secs, starved_at_first};
use tokio::time::{Instant, advance, sleep};
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task};
use tower::limit::ConcurrencyLimit;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use windbreak::rate_limit::{Obey, Rate, RateLimit, UpstreamLimit};
use windbreak::{RateLimitLayer, Rejection, TimeoutLayer};

type Error = windbreak::Error<&'static str>;

fn rate(interval: Duration, burst: u32) -> Rate {
    Rate::every(interval).burst(burst).expect("valid")
}

/// One request each 100 ms, and no burst; others queue.
fn one_by_one() -> RateLimitLayer {
    RateLimitLayer::new(rate(millis(100), 1)).max_wait(secs(10))
}

/// A client whose requests say what they cost, and are answered at once with the number of the call.
fn client<L>(layer: &L, log: &Log) -> L::Service
where
    L: Layer<Upstream>,
{
    layer.layer(Upstream(log.clone()))
}

#[derive(Clone)]
struct Upstream(Log);

impl Service<u32> for Upstream {
    type Response = usize;
    type Error = Error;
    type Future = std::future::Ready<Result<usize, Error>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: u32) -> Self::Future {
        std::future::ready(Ok(self.0.note()))
    }
}

fn call<C: Service<u32> + Clone>(client: &C) -> task::Spawn<C::Future> {
    task::spawn(client.clone().call(1))
}

#[tokio::test(start_paused = true)]
async fn a_burst_passes_and_what_is_above_is_rejected_until_exactly_then() {
    let layer = RateLimitLayer::new(Rate::per_second(50).burst(10).unwrap());
    let client = client(&layer, &Log::default());
    for _ in 0..10 {
        assert_ready_ok!(call(&client).poll());
    }
    let error = assert_ready_err!(call(&client).poll());
    assert!(matches!(error.rejection(), Some(Rejection::RateLimited { retry_after: Some(_), .. })));
    assert!(error.is_rate_limited());
    assert_eq!(error.retry_after(), Some(millis(20)));
    advance(Duration::from_nanos(19_999_999)).await;
    assert_eq!(assert_ready_err!(call(&client).poll()).retry_after(), Some(Duration::from_nanos(1)));
    advance(Duration::from_nanos(1)).await;
    assert_ready_ok!(call(&client).poll());
    assert_ready_err!(call(&client).poll());
}

#[tokio::test(start_paused = true)]
async fn requests_that_queue_start_one_interval_apart_in_the_order_of_their_calls() {
    let (log, layer) = (Log::default(), one_by_one());
    let client = client(&layer, &log);
    let mut calls: Vec<_> = (0..5).map(|_| call(&client)).collect();
    assert_eq!(assert_ready_ok!(calls[0].poll()), 1);
    // In which order they are polled does not matter.
    for response in calls[1..].iter_mut().rev() {
        assert_pending!(response.poll());
    }
    assert_eq!(layer.limit().queued(), 4);
    let tasks = calls.drain(1..).map(task::Spawn::into_inner).map(tokio::spawn).collect::<Vec<_>>();
    for (number, task) in (2..).zip(tasks) {
        assert_eq!(task.await.unwrap(), Ok(number));
    }
    assert_eq!(log.pauses(), [millis(100); 4]);
    assert_eq!(layer.limit().queued(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_program_that_stalled_does_not_start_all_that_are_due_at_once() {
    let (log, layer) = (Log::default(), one_by_one());
    let client = client(&layer, &log);
    assert_ready_ok!(call(&client).poll());
    let mut calls: Vec<_> = (0..4).map(|_| call(&client)).collect();
    for response in &mut calls {
        assert_pending!(response.poll());
    }
    advance(secs(5)).await;
    // The first is served, though it is polled last.
    for response in calls[1..].iter_mut().rev() {
        assert_pending!(response.poll());
    }
    assert_eq!(assert_ready_ok!(calls[0].poll()), 2);
    assert_eq!(log.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_does_not_overtake_the_queue() {
    let layer = one_by_one();
    let (patient, impatient) =
        (client(&layer, &Log::default()), client(&layer.clone().max_wait(Duration::ZERO), &Log::default()));
    assert_ready_ok!(call(&patient).poll());
    let mut queued = call(&patient);
    assert_pending!(queued.poll());
    advance(millis(100)).await;
    // The first newcomer hands the turn to the one that waits; no other takes it away.
    for _ in 0..2 {
        assert_eq!(assert_ready_err!(call(&impatient).poll()).retry_after(), Some(millis(100)));
    }
    assert_ready_ok!(queued.poll());
}

#[tokio::test(start_paused = true)]
async fn who_leaves_the_queue_frees_its_turn_at_once() {
    let layer = one_by_one();
    let client = client(&layer, &Log::default());
    assert_ready_ok!(call(&client).poll());
    let (mut first, mut second, mut third) = (call(&client), call(&client), call(&client));
    for response in [&mut first, &mut second, &mut third] {
        assert_pending!(response.poll());
    }
    drop(first);
    assert!(second.is_woken() && !third.is_woken());
    assert_pending!(second.poll());
    advance(millis(100)).await;
    assert!(second.is_woken());
    // Its turn has come, and it does not take it.
    drop(second);
    assert!(third.is_woken());
    assert_ready_ok!(third.poll());
}

#[tokio::test(start_paused = true)]
async fn who_leaves_in_the_middle_moves_the_next_one_up() {
    let layer = one_by_one();
    let client = client(&layer, &Log::default());
    assert_ready_ok!(call(&client).poll());
    let mut calls: Vec<_> = (0..3).map(|_| call(&client)).collect();
    for response in &mut calls {
        assert_pending!(response.poll());
    }
    drop(calls.remove(1));
    assert!(!calls[0].is_woken() && calls[1].is_woken());
    assert_pending!(calls[1].poll());
    // The first is not polled, so it is the other that looks after the queue; its own turn comes when the first's lapses.
    advance(millis(200)).await;
    assert_pending!(calls[1].poll());
    advance(millis(100)).await;
    assert_ready_ok!(calls[1].poll());
}

#[tokio::test(start_paused = true)]
async fn who_leaves_with_its_turn_in_hand_passes_it_on_at_once() {
    let layer = one_by_one();
    let client = client(&layer, &Log::default());
    assert_ready_ok!(call(&client).poll());
    let (mut first, mut second) = (call(&client), call(&client));
    assert_pending!(first.poll());
    assert_pending!(second.poll());
    advance(millis(100)).await;
    // Whoever looks hands the first its turn.
    assert_pending!(second.poll());
    drop(first);
    assert!(second.is_woken());
    assert_ready_ok!(second.poll());
}

#[tokio::test(start_paused = true)]
async fn one_that_is_never_polled_holds_nobody_up_for_ever() {
    let layer = one_by_one();
    let client = client(&layer, &Log::default());
    assert_ready_ok!(call(&client).poll());
    let (never_polled, mut polled_once) = (call(&client), call(&client));
    assert_pending!(polled_once.poll());
    let live = call(&client);
    let start = Instant::now();
    live.into_inner().await.unwrap();
    assert!(start.elapsed() <= millis(500), "{:?}", start.elapsed());
    drop((never_polled, polled_once));
}

#[tokio::test(start_paused = true)]
async fn a_wait_longer_than_max_wait_is_rejected_at_once() {
    let layer = one_by_one().max_wait(millis(250));
    let client = client(&layer, &Log::default());
    let _calls = [call(&client), call(&client), call(&client)];
    let error = assert_ready_err!(call(&client).poll());
    assert_eq!(error.retry_after(), Some(millis(300)));
    // A wait of exactly as long is not longer.
    advance(millis(50)).await;
    assert_pending!(call(&client).poll());
}

#[tokio::test(start_paused = true)]
async fn a_wait_to_the_deadline_or_past_it_is_rejected_at_once() {
    let layer = one_by_one();
    let limited = client(&layer, &Log::default());
    assert_ready_ok!(call(&limited).poll());
    let within = |limit| TimeoutLayer::new(limit).layer(limited.clone());
    for limit in [millis(99), millis(100)] {
        let error = assert_ready_err!(task::spawn(within(limit).call(1)).poll());
        assert_eq!(error.retry_after(), Some(millis(100)));
        assert_eq!(layer.limit().queued(), 0);
    }
    assert_eq!(within(millis(101)).call(1).await, Ok(2));
}

#[tokio::test(start_paused = true)]
async fn the_queue_is_bounded_by_max_queue_and_a_zero_queue_rejects_at_once() {
    let layer = one_by_one().max_queue(1);
    let one = client(&layer, &Log::default());
    let none = client(&layer.clone().max_queue(0), &Log::default());
    assert_ready_ok!(call(&one).poll());
    assert_eq!(assert_ready_err!(call(&none).poll()).retry_after(), Some(millis(100)));
    let queued = call(&one);
    assert_eq!(assert_ready_err!(call(&one).poll()).retry_after(), Some(millis(200)));
    drop(queued);
    assert_pending!(call(&one).poll());
}

#[tokio::test(start_paused = true)]
async fn a_request_dearer_than_the_burst_never_waits() {
    let layer = RateLimitLayer::new(rate(millis(100), 5)).max_wait(Duration::MAX).cost(|cost: &u32| *cost);
    let mut client = client(&layer, &Log::default());
    let error = assert_ready_err!(task::spawn(client.call(6)).poll());
    assert!(matches!(error.rejection(), Some(Rejection::RateLimited { retry_after: None, .. })));
    assert_ready_ok!(task::spawn(client.call(5)).poll());
    // One that costs nothing passes.
    assert_ready_ok!(task::spawn(client.call(0)).poll());
    let mut queued = task::spawn(client.call(5));
    assert_pending!(queued.poll());
    // Nor does one that has become so.
    layer.limit().set(rate(millis(100), 4));
    assert!(queued.is_woken());
    assert_eq!(assert_ready_err!(queued.poll()).retry_after(), None);
}

#[tokio::test(start_paused = true)]
async fn a_new_rate_keeps_what_is_outstanding() {
    let limit = RateLimit::new(rate(millis(10), 10));
    limit.try_acquire(10).unwrap();
    limit.set(rate(secs(1), 10));
    assert_eq!(limit.available(), 0);
    advance(secs(3)).await;
    assert_eq!(limit.available(), 3);
    limit.set(rate(secs(1), 4));
    assert_eq!(limit.try_acquire(1).unwrap_err().retry_after(), Some(secs(4)));
}

#[tokio::test(start_paused = true)]
async fn a_faster_rate_lets_in_those_who_wait_at_once() {
    let layer = RateLimitLayer::new(rate(secs(3600), 1)).max_wait(Duration::MAX);
    let client = client(&layer, &Log::default());
    assert_ready_ok!(call(&client).poll());
    let mut calls = [call(&client), call(&client), call(&client)];
    for response in &mut calls {
        assert_pending!(response.poll());
    }
    layer.limit().set(rate(secs(1), 3));
    let woken = calls.each_ref().map(task::Spawn::is_woken);
    assert_eq!(woken, [true; 3]);
    assert_ready_ok!(calls[0].poll());
    assert_ready_ok!(calls[1].poll());
    assert_pending!(calls[2].poll());
    advance(secs(1)).await;
    assert!(calls[2].is_woken());
    assert_ready_ok!(calls[2].poll());
}

#[tokio::test(start_paused = true)]
async fn a_slower_rate_rejects_those_who_would_wait_too_long_as_soon_as_they_look() {
    let layer = one_by_one();
    let client = client(&layer, &Log::default());
    assert_ready_ok!(call(&client).poll());
    let mut queued = call(&client);
    assert_pending!(queued.poll());
    layer.limit().set(rate(secs(60), 1));
    assert!(queued.is_woken());
    assert_eq!(assert_ready_err!(queued.poll()).retry_after(), Some(secs(60)));
    assert_eq!(layer.limit().queued(), 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_passes_during_a_pause_and_the_longest_pause_wins() {
    let layer = RateLimitLayer::new(rate(millis(100), 3)).max_wait(secs(60));
    let (limit, client) = (layer.limit(), client(&layer, &Log::default()));
    limit.pause_for(secs(5));
    limit.pause_for(secs(1));
    assert_eq!(limit.available(), 0);
    assert_eq!(limit.try_acquire(1).unwrap_err().retry_after(), Some(secs(5)));
    let start = Instant::now();
    let calls: Vec<_> = (0..4).map(|_| tokio::spawn(client.clone().call(1))).collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    // Three at the end of the pause, and the fourth when its turn comes.
    assert_eq!(start.elapsed(), millis(5_100));
}

#[tokio::test(start_paused = true)]
async fn a_pause_beyond_the_clock_never_ends() {
    let layer = RateLimitLayer::new(rate(millis(100), 3)).max_wait(Duration::MAX);
    let (limit, client) = (layer.limit(), client(&layer, &Log::default()));
    limit.pause_for(Duration::MAX);
    // `None` would say that the request is too dear.
    assert!(limit.try_acquire(1).unwrap_err().retry_after() > Some(secs(72 * 365 * 24 * 60 * 60)));
    let mut queued = call(&client);
    assert_pending!(queued.poll());
    advance(secs(365 * 24 * 60 * 60)).await;
    assert_pending!(queued.poll());
    assert_eq!(limit.queued(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_passed_is_not_given_back_however_it_ends() {
    let layer = RateLimitLayer::new(rate(secs(1), 3));
    let limit = layer.limit();
    let failing = ServiceBuilder::new()
        .layer(layer.clone())
        .map_err(Error::Service)
        .service_fn(|()| async { Err::<(), _>("down") });
    failing.clone().oneshot(()).await.unwrap_err();
    assert_eq!(limit.available(), 2);
    drop(failing.clone().call(()));
    assert_eq!(limit.available(), 1);
    // A clone that is ready has taken nothing.
    let mut idle = failing.clone();
    idle.ready().await.unwrap();
    assert_eq!(limit.available(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_sibling_has_the_same_rate_and_a_limit_of_its_own() {
    let layer = one_by_one().max_queue(1);
    let sibling = layer.sibling();
    layer.limit().set(rate(secs(1), 2));
    layer.limit().try_acquire(1).unwrap();
    let one = client(&sibling, &Log::default());
    assert_ready_ok!(call(&one).poll());
    let _queued = call(&one);
    assert_eq!((layer.limit().queued(), sibling.limit().queued()), (0, 1));
    assert_eq!(assert_ready_err!(call(&one).poll()).retry_after(), Some(millis(200)));
    assert_eq!(layer.sibling().limit().available(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_turn_has_come_passes_also_in_a_task_without_budget() {
    let layer = one_by_one();
    let client = client(&layer, &Log::default());
    assert_ready_ok!(call(&client).poll());
    let mut queued = call(&client);
    assert_pending!(queued.poll());
    advance(millis(100)).await;
    assert_eq!(starved_at_first(queued.into_inner()).await, Ok(2));
}

#[derive(Clone)]
struct Says;

impl Obey<UpstreamLimit, Error> for Says {
    fn upstream_limit(&self, result: Result<&UpstreamLimit, &Error>) -> UpstreamLimit {
        result.copied().unwrap_or_default()
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_upstream_has_left_lowers_what_is_available_and_never_raises_it() {
    let layer = RateLimitLayer::new(rate(secs(1), 10)).obey(Says);
    let limit = layer.limit();
    let client = layer.layer(service_fn(|says: UpstreamLimit| async move { Ok::<_, Error>(says) }));
    for (says, available) in [
        (UpstreamLimit::default(), 9),
        (UpstreamLimit::default().with_remaining(5), 5),
        (UpstreamLimit::default().with_remaining(100), 4),
        (UpstreamLimit::default().with_remaining(0), 0),
    ] {
        client.clone().oneshot(says).await.unwrap();
        assert_eq!(limit.available(), available, "{says:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_the_upstream_wants_holds_up_all_and_is_bounded() {
    let layer = RateLimitLayer::new(rate(millis(1), 10)).obey(Says);
    let pauses = |layer: RateLimitLayer<_, _>, pause| async move {
        let client = layer.layer(service_fn(|says: UpstreamLimit| async move { Ok::<_, Error>(says) }));
        client.oneshot(UpstreamLimit::default().with_pause(pause)).await.unwrap();
        layer.limit().try_acquire(1).map_err(|rejection| rejection.retry_after().unwrap())
    };
    assert_eq!(pauses(layer.sibling(), secs(7)).await, Err(secs(7)));
    assert_eq!(pauses(layer.sibling(), Duration::MAX).await, Err(secs(60)));
    assert_eq!(pauses(layer.sibling().max_pause(secs(5)), Duration::MAX).await, Err(secs(5)));
    assert_eq!(pauses(layer.sibling(), Duration::ZERO).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn many_tasks_pass_at_the_rate_and_all_of_them_do() {
    let (log, layer) = (Log::default(), RateLimitLayer::new(rate(millis(10), 5)).max_wait(secs(60)));
    let client = client(&layer, &log);
    let start = Instant::now();
    let tasks: Vec<_> = (0..205).map(|_| tokio::spawn(client.clone().oneshot(1))).collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(start.elapsed(), millis(2_000));
    sleep(millis(50)).await;
    assert_eq!((layer.limit().available(), layer.limit().queued()), (5, 0));
}

#[test]
fn a_rate_limit_needs_a_runtime_only_where_somebody_queues() {
    let layer = RateLimitLayer::new(rate(secs(3600), 1));
    let client = client(&layer, &Log::default());
    assert_ready_ok!(call(&client).poll());
    assert!(assert_ready_err!(call(&client).poll()).is_rate_limited());
}

#[test]
#[should_panic(expected = "runtime")]
fn to_queue_panics_without_a_runtime() {
    let client = client(&RateLimitLayer::new(rate(secs(3600), 1)).max_wait(Duration::MAX), &Log::default());
    assert_ready_ok!(call(&client).poll());
    let _ = call(&client).poll();
}

/// Such as a permit of an inner limit, which an idle clone would keep from all others.
#[tokio::test(start_paused = true)]
async fn a_rejected_request_leaves_the_readiness_of_the_inner_service_to_others() {
    let inner = ConcurrencyLimit::new(Upstream(Log::default()), 1);
    let mut limited = RateLimitLayer::new(rate(secs(1), 1)).layer(inner.clone());
    assert_ready_ok!(task::spawn(limited.ready().await.unwrap().call(1)).poll());
    assert!(assert_ready_err!(task::spawn(limited.ready().await.unwrap().call(1)).poll()).rejection().is_some());
    assert!(task::spawn(inner.clone().ready()).poll().is_ready());
}
