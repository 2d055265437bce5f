//! One deadline for all that happens within a request.

use crate::support::all_idempotent;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use windbreak::rules::ErrorsOnly;

use tokio::time::{Instant, sleep};
use tower::{ServiceBuilder, ServiceExt, service_fn};
use windbreak::backoff::Backoff;
use windbreak::{Circuit, CircuitBreakerLayer, Error, RetryLayer, RetryPolicy, TimeoutLayer, deadline};

type Reply<T> = Result<T, Error<&'static str>>;

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn left() -> Option<Duration> {
    deadline().map(|deadline| deadline - Instant::now())
}

#[tokio::test(start_paused = true)]
async fn outside_a_timeout_there_is_none() {
    let client = ServiceBuilder::new().map_err(Error::Service).service(service_fn(|()| async { Ok::<_, ()>(left()) }));
    assert_eq!(client.oneshot(()).await, Ok(None));
}

#[tokio::test(start_paused = true)]
async fn the_earliest_of_nested_timeouts_counts_whichever_is_inside() {
    for (outer, inner) in [(500, 300), (300, 500)] {
        let client = ServiceBuilder::new()
            .layer(TimeoutLayer::new(millis(outer)))
            .layer(TimeoutLayer::new(millis(inner)))
            .map_err(Error::Service)
            .service(service_fn(|()| async {
                let first = left();
                sleep(millis(100)).await;
                Ok::<_, ()>((first, left()))
            }));
        assert_eq!(client.oneshot(()).await, Ok((Some(millis(300)), Some(millis(200)))));
        assert_eq!(deadline(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_the_same_however_late_it_is_asked_for() {
    // Asked for in the very first poll, or never: the timer ends at the same moment.
    for ask in [true, false] {
        let client = ServiceBuilder::new().layer(TimeoutLayer::new(millis(100))).map_err(Error::Service).service(
            service_fn(move |()| async move {
                if ask {
                    assert_eq!(left(), Some(millis(100)));
                }
                sleep(millis(60)).await;
                if ask {
                    assert_eq!(left(), Some(millis(40)));
                }
                std::future::pending::<Result<(), ()>>().await
            }),
        );
        let start = Instant::now();
        assert!(client.oneshot(()).await.unwrap_err().is_timeout());
        assert_eq!(start.elapsed(), millis(100));
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_of_its_own_knows_nothing_of_it() {
    let client = ServiceBuilder::new()
        .layer(TimeoutLayer::new(millis(100)))
        .map_err(Error::Service)
        .service(service_fn(|()| async { Ok::<_, ()>(tokio::spawn(async { deadline() }).await.unwrap()) }));
    assert_eq!(client.oneshot(()).await, Ok(None));
}

#[tokio::test(start_paused = true)]
async fn neighbours_in_one_task_do_not_see_each_others() {
    let stack = |limit| {
        ServiceBuilder::new().layer(TimeoutLayer::new(millis(limit))).map_err(Error::Service).service(service_fn(
            |()| async {
                sleep(millis(10)).await;
                Ok::<_, ()>(left())
            },
        ))
    };
    let (short, long) = tokio::join!(stack(100).oneshot(()), stack(200).oneshot(()));
    assert_eq!((short, long), (Ok(Some(millis(90))), Ok(Some(millis(190)))));
}

#[tokio::test(start_paused = true)]
async fn a_panic_within_a_timeout_leaves_no_deadline_behind() {
    let client = ServiceBuilder::new()
        .layer(TimeoutLayer::new(millis(100)))
        .map_err(Error::Service)
        .service(service_fn(|()| async { if left().is_some() { panic!("on purpose") } else { Ok::<(), ()>(()) } }));
    let mut future = Box::pin(client.oneshot(()));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = tokio_test::task::spawn(&mut future).poll();
    }));
    assert!(panicked.is_err());
    assert_eq!(deadline(), None);
}

#[tokio::test(start_paused = true)]
async fn retry_does_not_begin_a_pause_that_the_deadline_would_cut_off() {
    let calls = Arc::new(AtomicU32::new(0));
    let policy = RetryPolicy::builder().max_attempts(10).backoff(millis(300));
    let counter = Arc::clone(&calls);
    let client = ServiceBuilder::new()
        .layer(TimeoutLayer::new(millis(1000)))
        .layer(RetryLayer::new(policy.build().unwrap(), all_idempotent()))
        .map_err(Error::Service)
        .service(service_fn(move |()| {
            counter.fetch_add(1, Ordering::Relaxed);
            async { Err::<(), _>("down") }
        }));
    let start = Instant::now();
    // Attempts at 0, 300, 600 and 900 ms; a fifth would come at 1200.
    let reply: Reply<()> = client.oneshot(()).await;
    assert_eq!(reply, Err(Error::Service("down")));
    assert_eq!((calls.load(Ordering::Relaxed), start.elapsed()), (4, millis(900)));
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_ends_at_the_deadline_is_too_long() {
    let policy = RetryPolicy::builder().backoff(millis(100)).build().unwrap();
    let client = ServiceBuilder::new()
        .layer(TimeoutLayer::new(millis(100)))
        .layer(RetryLayer::new(policy, all_idempotent()))
        .map_err(Error::Service)
        .service(service_fn(|()| async { Err::<(), _>("down") }));
    let start = Instant::now();
    assert_eq!(client.oneshot(()).await, Err(Error::Service("down")));
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_the_total_timeout_cuts_off_is_not_a_failure_of_the_upstream() {
    let circuit = Circuit::builder("upstream").build().unwrap();
    let policy = RetryPolicy::builder().backoff(Backoff::from(millis(100))).build().unwrap();
    let client = ServiceBuilder::new()
        .layer(TimeoutLayer::new(millis(1500)))
        .layer(RetryLayer::new(policy, all_idempotent()))
        .layer(CircuitBreakerLayer::new(circuit.clone(), ErrorsOnly))
        .layer(TimeoutLayer::new(millis(1000)))
        .map_err(Error::Service)
        .service(service_fn(|()| std::future::pending::<Result<(), ()>>()));
    let start = Instant::now();
    assert!(client.oneshot(()).await.unwrap_err().is_timeout());
    assert_eq!(start.elapsed(), millis(1500));
    // The first attempt had its full second and counts; the second had 400 ms and does not.
    assert_eq!(circuit.snapshot().tally.calls, 1);
}

#[tokio::test(start_paused = true)]
async fn a_future_that_leaves_the_timeout_around_it_sets_a_timer_of_its_own() {
    let inner = ServiceBuilder::new()
        .layer(TimeoutLayer::new(millis(1000)))
        .map_err(Error::Service)
        .service(service_fn(|()| std::future::pending::<Result<(), ()>>()));
    // The inner future is polled once within a timeout that comes first, and then by a task of its own.
    let outer = ServiceBuilder::new().layer(TimeoutLayer::new(millis(500))).map_err(Error::Service).service(
        service_fn(move |()| {
            let inner = inner.clone();
            async move {
                let mut future = Box::pin(inner.oneshot(()));
                assert!(tokio_test::task::spawn(&mut future).poll().is_pending());
                Ok::<_, ()>(tokio::spawn(future))
            }
        }),
    );
    let start = Instant::now();
    let task = outer.oneshot(()).await.unwrap();
    assert!(task.await.unwrap().unwrap_err().is_timeout());
    assert_eq!(start.elapsed(), millis(1000));
}

/// Layers that write the deadline into a header do so in `call`.
#[tokio::test(start_paused = true)]
async fn it_is_known_in_call_as_well_on_the_first_attempt_as_on_later_ones() {
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    let policy = RetryPolicy::builder().max_attempts(2).backoff(millis(200)).build().unwrap();
    let client = ServiceBuilder::new()
        .layer(TimeoutLayer::new(millis(500)))
        .layer(RetryLayer::new(policy, all_idempotent()))
        .map_request(move |()| noted.lock().unwrap().push(left()))
        .map_err(Error::Service)
        .service(service_fn(|()| async { Err::<(), _>("down") }));
    client.oneshot(()).await.unwrap_err();
    assert_eq!(*seen.lock().unwrap(), [Some(millis(500)), Some(millis(300))]);
}

fn hung(limit: Duration) -> impl tower::Service<(), Response = (), Error = Error<()>, Future: Send> + Clone + Send {
    ServiceBuilder::new()
        .layer(TimeoutLayer::new(limit))
        .map_err(Error::Service)
        .service(service_fn(|()| std::future::pending::<Result<(), ()>>()))
}

/// As in a `FuturesUnordered`, which polls its futures with wakers of its own, and only those that were woken.
#[tokio::test(start_paused = true)]
async fn a_timeout_polled_with_another_waker_is_woken_after_the_timeout_around_it_is_gone() {
    let mut inner = tokio_test::task::spawn(hung(millis(300)).oneshot(()));
    {
        let mut outer = tokio_test::task::spawn(
            ServiceBuilder::new()
                .layer(TimeoutLayer::new(millis(100)))
                .map_err(Error::Service)
                .service(service_fn(|()| {
                    assert!(inner.poll().is_pending());
                    std::future::pending::<Result<(), ()>>()
                }))
                .oneshot(()),
        );
        assert!(outer.poll().is_pending());
    }
    // Nobody polls it but for its own wake-up.
    tokio::time::advance(millis(301)).await;
    assert!(inner.is_woken());
    assert!(matches!(inner.poll(), std::task::Poll::Ready(Err(error)) if error.is_timeout()));
}

#[tokio::test(start_paused = true)]
async fn a_timeout_in_a_local_set_that_outlives_the_timeout_around_it_still_fires() {
    let local = tokio::task::LocalSet::new();
    let task = local.spawn_local(hung(millis(300)).oneshot(()));
    let start = Instant::now();
    let outer = tokio::time::timeout(millis(100), {
        let client = ServiceBuilder::new().layer(TimeoutLayer::new(millis(200))).map_err(Error::Service);
        client
            .service(service_fn(|()| async {
                local.run_until(std::future::pending::<()>()).await;
                Ok::<_, ()>(())
            }))
            .oneshot(())
    });
    assert!(outer.await.is_err());
    let result = local.run_until(task).await.unwrap();
    assert!(result.unwrap_err().is_timeout());
    assert_eq!(start.elapsed(), millis(300));
}

/// In real time: a worker that blocks does not let a paused clock move.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_timeout_within_blocking_code_ends_though_the_one_around_it_cannot() {
    let outer = ServiceBuilder::new().layer(TimeoutLayer::new(millis(50))).map_err(Error::Service).service(service_fn(
        |()| async {
            let run = || tokio::runtime::Handle::current().block_on(hung(millis(150)).oneshot(()));
            Ok::<_, ()>(tokio::task::block_in_place(run).is_err_and(|error| error.is_timeout()))
        },
    ));
    assert_eq!(outer.oneshot(()).await, Ok(true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_call_within_blocking_code_has_its_full_time() {
    let inner = ServiceBuilder::new().layer(TimeoutLayer::new(millis(400))).map_err(Error::Service).service(
        service_fn(|()| async {
            sleep(millis(150)).await;
            Ok::<_, ()>(())
        }),
    );
    let outer = ServiceBuilder::new().layer(TimeoutLayer::new(millis(10_000))).map_err(Error::Service).service(
        service_fn(|()| async {
            let calls = || {
                (0..3)
                    .map(|_| tokio::runtime::Handle::current().block_on(inner.clone().oneshot(())))
                    .collect::<Vec<_>>()
            };
            Ok::<_, ()>(tokio::task::block_in_place(calls))
        }),
    );
    assert_eq!(outer.oneshot(()).await, Ok(vec![Ok(()), Ok(()), Ok(())]));
}
