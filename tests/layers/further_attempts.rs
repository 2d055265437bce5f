//! A retry above a failover, or above a fallback to a service: what may have taken effect at one provider is never sent to
//! another.

use std::future::{pending, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::LocalSet;
use tower::util::BoxCloneService;
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};
use windbreak::failover::FailoverHandle;
use windbreak::rules::{ErrorsOnly, Idempotency, WithIdempotency};
use windbreak::{
    BulkheadLayer, Effect, Error, Failover, FallbackLayer, Rejection, RetryLayer, RetryPolicy, TimeoutLayer,
};

use crate::support::{Log, millis, secs};

type Failed = Error<&'static str>;
type Provider = BoxCloneService<Idempotency, &'static str, Failed>;
type Rules = WithIdempotency<ErrorsOnly, Idempotency, fn(&Idempotency) -> Idempotency>;

/// A request is how harmful it is.
fn rules() -> Rules {
    ErrorsOnly.idempotent((|request| *request) as fn(&Idempotency) -> Idempotency)
}

fn retry() -> RetryLayer<Rules> {
    RetryLayer::new(RetryPolicy::builder().backoff(millis(10)).build().expect("valid"), rules())
}

/// The first call ends as `first` says; from then on its circuit is open.
fn then_open(first: Result<&'static str, Failed>) -> Provider {
    let calls = AtomicUsize::new(0);
    let provide = move |_| {
        let is_first = calls.fetch_add(1, Ordering::Relaxed) == 0;
        ready(if is_first { first.clone() } else { Err(Rejection::circuit_open("a", None).into()) })
    };
    let provide = Arc::new(provide);
    BoxCloneService::new(service_fn(move |request| provide(request)))
}

fn well(calls: &Log) -> Provider {
    let calls = calls.clone();
    BoxCloneService::new(service_fn(move |_| {
        calls.note();
        ready(Ok("charged at b"))
    }))
}

fn failover(first: Provider, second: &Log) -> Failover<Rules, Idempotency, &'static str, Failed> {
    Failover::new("payments", rules()).to("a", first).to("b", well(second)).build().expect("valid")
}

fn is_lost(result: &Result<&'static str, Failed>) -> bool {
    matches!(result, Err(error) if error.service() == Some(&"reset")
        && error.attempts().is_some_and(|attempts| attempts.effect() == Effect::Unknown))
}

#[tokio::test(start_paused = true)]
async fn what_may_have_been_charged_is_not_charged_elsewhere_when_the_circuit_opens() {
    for request in [Idempotency::Idempotent, Idempotency::Keyed] {
        let second = Log::default();
        let client = retry().layer(failover(then_open(Err(Error::Service("reset"))), &second));
        let result = client.oneshot(request).await;
        assert!(is_lost(&result), "{result:?}");
        assert_eq!(second.count(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn nor_when_a_switch_is_thrown_between_the_attempts() {
    let second = Log::default();
    let handle: Arc<std::sync::OnceLock<FailoverHandle>> = Arc::default();
    let thrown = Arc::clone(&handle);
    let first = service_fn(move |_| {
        thrown.get().expect("it is there").exclude("a", "test").expect("it exists");
        ready(Err(Error::Service("reset")))
    });
    let failover = failover(BoxCloneService::new(first), &second);
    assert!(handle.set(failover.handle()).is_ok());
    let result = retry().layer(failover).oneshot(Idempotency::Keyed).await;
    assert!(is_lost(&result), "{result:?}");
    assert_eq!(second.count(), 0);
}

/// A layer between the two drops the attempt, or calls it in a poll: the failover says nothing of either.
#[tokio::test(start_paused = true)]
async fn nor_when_a_timeout_drops_the_attempt_or_a_queue_calls_it_later() {
    let second = Log::default();
    let calls = Arc::new(AtomicUsize::new(0));
    let first = service_fn(move |_| {
        let is_first = calls.fetch_add(1, Ordering::Relaxed) == 0;
        async move { if is_first { pending().await } else { Err(Rejection::circuit_open("a", None).into()) } }
    });
    let bulkhead = BulkheadLayer::new(1).expect("valid").queue();
    let client = ServiceBuilder::new()
        .layer(retry())
        .layer(TimeoutLayer::new(secs(1)))
        .layer(bulkhead.clone())
        .service(failover(BoxCloneService::new(first), &second));
    let other = bulkhead.layer(service_fn(|()| async {
        tokio::time::sleep(millis(500)).await;
        Ok::<_, Failed>(())
    }));
    let (result, other) = tokio::join!(client.oneshot(Idempotency::Keyed), async {
        tokio::time::sleep(millis(999)).await;
        other.oneshot(()).await
    });
    assert!(result.as_ref().is_err_and(Error::is_timeout), "{result:?}");
    assert_eq!((second.count(), other), (0, Ok(())));
}

#[tokio::test(start_paused = true)]
async fn what_is_safe_or_certainly_did_nothing_moves_on_in_a_further_attempt() {
    for (first, request) in
        [(Error::Service("reset"), Idempotency::Safe), (Rejection::not_applied("refused").into(), Idempotency::Keyed)]
    {
        let second = Log::default();
        // The first attempt finds no second provider that could take it.
        let failover = failover(then_open(Err(first)), &second);
        failover.handle().exclude("b", "test").expect("it exists");
        let handle = failover.handle();
        let client = retry().layer(failover);
        let (result, ()) = tokio::join!(client.oneshot(request), async {
            tokio::task::yield_now().await;
            handle.restore("b", "test").expect("it exists");
        });
        assert_eq!((result, second.count()), (Ok("charged at b"), 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_fallback_to_a_service_obeys_the_same_rule() {
    for (request, expected) in [(Idempotency::Keyed, 0), (Idempotency::Safe, 1)] {
        let second = Log::default();
        let client = ServiceBuilder::new()
            .layer(retry())
            .layer(FallbackLayer::service(well(&second), rules()))
            .service(then_open(Err(Error::Service("reset"))));
        let result = client.oneshot(request).await;
        assert_eq!((is_lost(&result), second.count()), (expected == 0, expected), "{result:?}");
    }
}

/// Of other tasks that are polled within the further attempt nothing is known, and nothing is refused.
#[tokio::test(start_paused = true)]
async fn a_strangers_request_within_the_poll_of_a_further_attempt_is_sent() {
    let second = Log::default();
    let stranger = failover(then_open(Err(Rejection::circuit_open("a", None).into())), &second);
    let calls = Arc::new(AtomicUsize::new(0));
    let upstream = service_fn(move |_: Idempotency| {
        let (is_first, stranger) = (calls.fetch_add(1, Ordering::Relaxed) == 0, stranger.clone());
        async move {
            if is_first {
                return Err(Error::Service("reset"));
            }
            let set = LocalSet::new();
            let task = set.spawn_local(stranger.oneshot(Idempotency::Keyed));
            set.run_until(task).await.expect("it does not panic")
        }
    });
    assert_eq!(retry().layer(upstream).oneshot(Idempotency::Keyed).await, Ok("charged at b"));
    assert_eq!(second.count(), 1);
}
