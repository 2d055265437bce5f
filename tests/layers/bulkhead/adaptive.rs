//! A bulkhead whose limit follows the responses. How well it follows is simulated beside its code.

use std::pin::Pin;

use tokio::time::{advance, sleep};
use tower::util::ServiceFn;
use tower::{Layer, Service, ServiceExt, service_fn};
use windbreak::bulkhead::{Adapt, Semaphore};
use windbreak::rules::{Classify, ErrorsOnly, rules_fn};
use windbreak::{BulkheadLayer, Effect, Failure, TimeoutLayer, Verdict};

use super::Error;
use crate::support::{millis, secs};

/// A response that says how it is to be judged.
type Judged = Result<Verdict, Error>;
type Client = ServiceFn<fn(Verdict) -> std::future::Ready<Judged>>;

fn rules() -> impl Classify<Verdict, Error> {
    rules_fn(|result: Result<&Verdict, &Error>| match result {
        Ok(verdict) => *verdict,
        Err(error) => ErrorsOnly.classify(Err::<&(), _>(error)),
    })
}

fn client() -> Client {
    service_fn(|verdict| std::future::ready(Ok(verdict)))
}

fn adapt() -> Adapt {
    Adapt::between(1, 200).expect("the test arranged it")
}

/// A window of ten responses, the last of them a second after the first.
async fn window<S: Service<Verdict, Response = Verdict, Error = Error> + Clone>(service: &S, verdict: Verdict) {
    for number in 1..=10 {
        if number == 10 {
            advance(secs(1)).await;
        }
        assert_eq!(service.clone().oneshot(verdict).await, Ok(verdict));
    }
}

#[tokio::test(start_paused = true)]
async fn what_asks_for_less_shrinks_the_limit_and_nothing_else_does() {
    let failure = Failure::new(Effect::NotApplied);
    for (verdict, limit) in [
        (Verdict::throttled(None), 18),
        (Verdict::Failure(failure.with_retry_after(secs(1))), 18),
        (Verdict::Failure(failure), 20),
        (Verdict::Success, 20),
        (Verdict::Declined, 20),
        (Verdict::in_progress(None), 20),
        (Verdict::Ignored, 20),
    ] {
        let layer = BulkheadLayer::new(20).unwrap().adapt(adapt(), rules());
        window(&layer.layer(client()), verdict).await;
        assert_eq!((layer.semaphore().limit(), layer.adapted_limit()), (limit, limit), "{verdict:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_says_nothing_is_no_sample() {
    for verdict in [Verdict::Declined, Verdict::in_progress(None), Verdict::Ignored] {
        let layer = BulkheadLayer::new(20).unwrap().adapt(adapt(), rules());
        let service = layer.layer(client());
        for _ in 0..9 {
            service.clone().oneshot(Verdict::throttled(None)).await.unwrap();
        }
        advance(secs(1)).await;
        service.clone().oneshot(verdict).await.unwrap();
        assert_eq!(layer.semaphore().limit(), 20, "nine samples make no window: {verdict:?}");
        service.clone().oneshot(Verdict::throttled(None)).await.unwrap();
        assert_eq!(layer.semaphore().limit(), 18);
    }
}

#[tokio::test(start_paused = true)]
async fn a_503_shrinks_the_limit_and_a_500_does_not() {
    for (status, limit) in [(503, 18), (504, 18), (429, 18), (500, 20), (200, 20), (404, 20)] {
        let layer = BulkheadLayer::new(20).unwrap().adapt(adapt(), windbreak::http::Http);
        let service = layer.layer(service_fn(move |_: http::Request<()>| async move {
            let response = http::Response::builder().status(status).body(());
            Ok::<_, windbreak::Error<std::io::Error>>(response.unwrap())
        }));
        for number in 1..=10 {
            if number == 10 {
                advance(secs(1)).await;
            }
            service.clone().oneshot(http::Request::new(())).await.unwrap();
        }
        assert_eq!(layer.semaphore().limit(), limit, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_timeout_below_the_bulkhead_shrinks_the_limit_and_a_cancelled_request_says_nothing() {
    let hangs = service_fn(|()| std::future::pending::<Result<(), Error>>());
    let layer = BulkheadLayer::new(20).unwrap().adapt(adapt(), ErrorsOnly);
    let cancelled = TimeoutLayer::new(millis(200)).layer(layer.layer(hangs));
    for _ in 0..20 {
        assert!(cancelled.clone().oneshot(()).await.unwrap_err().is_timeout());
    }
    assert_eq!(layer.semaphore().limit(), 20);
    let timed_out = layer.layer(TimeoutLayer::new(millis(200)).layer(hangs));
    for _ in 0..10 {
        assert!(timed_out.clone().oneshot(()).await.unwrap_err().is_timeout());
    }
    assert_eq!(layer.semaphore().limit(), 18);
}

#[tokio::test(start_paused = true)]
async fn the_limit_grows_where_it_is_reached() {
    let layer = BulkheadLayer::new(2).unwrap().adapt(adapt(), ErrorsOnly);
    let service = layer.layer(takes_a_tenth());
    let mut limits = Vec::new();
    // One at a time does not reach it.
    for requests in [1, 1, 1, 2, 2, 3] {
        for _ in 0..11 {
            at_once(&service, requests).await;
        }
        limits.push(layer.semaphore().limit());
    }
    assert_eq!(limits, [2, 2, 2, 3, 3, 4]);
}

type Tenth = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

fn takes_a_tenth() -> ServiceFn<fn(()) -> Tenth> {
    service_fn(|()| {
        Box::pin(async {
            sleep(millis(100)).await;
            Ok(())
        })
    })
}

async fn at_once<S>(service: &S, requests: usize)
where
    S: Service<(), Response = (), Error = Error, Future: Send + 'static> + Clone + Send + 'static,
{
    let calls: Vec<_> = (0..requests).map(|_| tokio::spawn(service.clone().oneshot(()))).collect();
    for call in calls {
        call.await.expect("the test arranged it").expect("the test arranged it");
    }
}

#[tokio::test(start_paused = true)]
async fn time_in_the_queue_is_no_round_trip_time() {
    let layer = BulkheadLayer::new(2).unwrap().queue().adapt(Adapt::between(1, 2).unwrap(), ErrorsOnly);
    let service = layer.layer(takes_a_tenth());
    for _ in 0..150 {
        at_once(&service, 2).await;
    }
    // Each waits longer than the one before.
    at_once(&service, 200).await;
    assert_eq!(layer.semaphore().limit(), 2);
}

#[tokio::test(start_paused = true)]
async fn longer_round_trips_than_usual_shrink_the_limit() {
    let layer = BulkheadLayer::new(2).unwrap().adapt(Adapt::between(1, 2).unwrap(), ErrorsOnly);
    for (time, limit) in [(millis(100), 2), (millis(150), 1)] {
        let service = layer.layer(service_fn(move |()| async move {
            sleep(time).await;
            Ok::<_, Error>(())
        }));
        for _ in 0..150 {
            service.clone().oneshot(()).await.unwrap();
            if layer.semaphore().limit() == 1 {
                break;
            }
        }
        assert_eq!(layer.semaphore().limit(), limit);
    }
}

#[tokio::test(start_paused = true)]
async fn observe_only_computes_the_limit_and_leaves_the_permits_alone() {
    let layer = BulkheadLayer::new(20).unwrap().adapt(adapt().observe_only(), rules());
    let service = layer.layer(client());
    window(&service, Verdict::throttled(None)).await;
    assert_eq!((layer.semaphore().limit(), layer.adapted_limit(), service.get_ref().adapted_limit()), (20, 18, 18));
}

#[tokio::test(start_paused = true)]
async fn a_limit_outside_the_bounds_moves_into_them_at_once() {
    for (limit, moved) in [(2, 5), (7, 7), (100, 10)] {
        let layer = BulkheadLayer::new(limit).unwrap();
        let semaphore = layer.semaphore().clone();
        let adaptive = layer.adapt(Adapt::between(5, 10).unwrap(), rules());
        assert_eq!((semaphore.limit(), adaptive.adapted_limit()), (moved, moved));
    }
}

#[tokio::test(start_paused = true)]
async fn services_of_a_layer_and_its_clones_learn_together() {
    let layer = BulkheadLayer::new(20).unwrap().adapt(adapt(), rules());
    let services = [layer.layer(client()), layer.clone().layer(client())];
    for number in 1..=10 {
        if number == 10 {
            advance(secs(1)).await;
        }
        services[number % 2].clone().oneshot(Verdict::throttled(None)).await.unwrap();
    }
    assert_eq!(layer.semaphore().limit(), 18);
}

#[tokio::test(start_paused = true)]
async fn a_sibling_follows_the_same_rules_and_learns_by_itself() {
    let layer = BulkheadLayer::new(20).unwrap().adapt(adapt(), Throttles);
    let queueing = BulkheadLayer::new(20).unwrap().max_wait(secs(1)).adapt(adapt(), Throttles);
    let (sibling, queueing_sibling) = (layer.sibling(), queueing.sibling());
    window(&sibling.layer(client()), Verdict::Success).await;
    window(&queueing_sibling.layer(client()), Verdict::Success).await;
    let limits = |own: &Semaphore, adapted| (own.limit(), adapted);
    assert_eq!(limits(sibling.semaphore(), sibling.adapted_limit()), (18, 18));
    assert_eq!(limits(queueing_sibling.semaphore(), queueing_sibling.adapted_limit()), (18, 18));
    assert_eq!(limits(layer.semaphore(), layer.adapted_limit()), (20, 20));
    assert_eq!(limits(queueing.semaphore(), queueing.adapted_limit()), (20, 20));
    assert_eq!(sibling.sibling().adapted_limit(), 18);
}

/// Rules by which the upstream asks for less, whatever it responds.
#[derive(Clone)]
struct Throttles;

impl<T> Classify<T, Error> for Throttles {
    fn classify(&self, _: Result<&T, &Error>) -> Verdict {
        Verdict::throttled(None)
    }
}

#[test]
fn bounds_that_contradict_each_other_are_refused() {
    let error = |min, max| Adapt::between(min, max).unwrap_err().to_string();
    assert_eq!(error(0, 10), "`between min` is 0; it must be from 1 to 2147483647");
    assert_eq!(error(10, 9), "`between max` is 9; it must be from 10 to 2147483647");
    assert!(Adapt::between(10, 10).is_ok());
}
