//! The timeout, as its users see it.

use std::future::pending;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::support::{Flag, Late, Steered, millis, secs, starved_at_first};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Bytes, Frame};
use tokio::sync::oneshot;
use tokio::task::{consume_budget, yield_now};
use tokio::time::{Instant, advance, sleep};
use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
use windbreak::{Rejection, TimeoutLayer};

type Error = windbreak::Error<&'static str>;

/// A client whose response takes as long as the request says.
fn client(limit: Duration) -> impl Service<Duration, Response = &'static str, Error = Error> + Clone {
    ServiceBuilder::new().layer(TimeoutLayer::new(limit)).map_err(Error::Service).service(service_fn(
        |wait: Duration| async move {
            sleep(wait).await;
            Ok("done")
        },
    ))
}

/// A client that returns the outcome of the request.
fn client_of<F>(limit: Duration) -> impl Service<F, Response = F::Output, Error = Error, Future: Send> + Clone
where
    F: Future + Send,
{
    ServiceBuilder::new()
        .layer(TimeoutLayer::new(limit))
        .map_err(Error::Service)
        .service(service_fn(|reply: F| async move { Ok(reply.await) }))
}

#[tokio::test(start_paused = true)]
async fn a_response_in_time_is_delivered_as_soon_as_it_is_there() {
    let start = Instant::now();
    assert_eq!(client(secs(1)).oneshot(millis(999)).await, Ok("done"));
    assert_eq!(start.elapsed(), millis(999));
}

#[tokio::test(start_paused = true)]
async fn a_late_response_is_not_waited_for_and_the_rejection_names_the_limit() {
    let start = Instant::now();
    let error = client(secs(1)).oneshot(millis(1001)).await.unwrap_err();
    assert_eq!(start.elapsed(), secs(1));
    assert!(error.is_timeout());
    assert!(matches!(error, Error::Rejected(Rejection::Timeout { limit, .. }) if limit == secs(1)));
}

#[tokio::test(start_paused = true)]
async fn an_error_in_time_is_delivered() {
    let client = ServiceBuilder::new()
        .layer(TimeoutLayer::new(secs(1)))
        .map_err(Error::Service)
        .service(service_fn(|()| async { Err::<(), _>("no") }));
    assert_eq!(client.oneshot(()).await, Err(Error::Service("no")));
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_ready_at_the_deadline_is_delivered() {
    assert_eq!(client(secs(1)).oneshot(secs(1)).await, Ok("done"));
}

#[tokio::test(start_paused = true)]
async fn a_response_that_was_ready_before_a_late_poll_is_delivered() {
    let (sender, reply) = oneshot::channel();
    let mut response = task::spawn(client_of(secs(1)).oneshot(reply));
    assert_pending!(response.poll());
    sender.send("there").unwrap();
    advance(secs(5)).await;
    assert_eq!(assert_ready_ok!(response.poll()), Ok("there"));
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_ready_at_the_deadline_is_delivered_also_to_a_task_without_budget() {
    let (sender, reply) = oneshot::channel();
    let mut response = task::spawn(client_of(secs(1)).oneshot(reply));
    assert_pending!(response.poll());
    sender.send("there").unwrap();
    advance(secs(1)).await;
    assert_eq!(starved_at_first(response).await, Ok(Ok("there")));
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_zero_delivers_what_is_ready_at_once_also_to_a_task_without_budget() {
    let (sender, reply) = oneshot::channel();
    sender.send("there").unwrap();
    assert_eq!(starved_at_first(client_of(Duration::ZERO).oneshot(reply)).await, Ok(Ok("there")));
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_is_there_at_the_deadline_is_delivered_also_to_a_task_without_budget() {
    let client = ServiceBuilder::new().layer(TimeoutLayer::new(secs(1)).until_body_end()).service(service_fn(
        |request: Request<_>| async { Ok::<_, Error>(Response::new(Late::new(request.into_body()))) },
    ));
    let (sender, frame) = oneshot::channel();
    let mut body = client.oneshot(Request::new(frame)).await.unwrap().into_body();
    assert_pending!(task::spawn(body.frame()).poll());
    sender.send("there").unwrap();
    advance(secs(1)).await;
    let frame = starved_at_first(body.frame()).await.unwrap();
    assert_eq!(frame.unwrap().into_data().unwrap(), "there");
}

#[tokio::test(start_paused = true)]
async fn a_body_has_what_its_head_left_of_the_limit_and_breaks_off_with_the_rejection() {
    for (head, end) in [(millis(600), secs(1)), (Duration::ZERO, secs(1))] {
        let client = ServiceBuilder::new().layer(TimeoutLayer::new(secs(1)).until_body_end()).service(service_fn(
            move |request: Request<_>| async move {
                if !head.is_zero() {
                    sleep(head).await;
                }
                Ok::<_, Error>(Response::new(Late::new(request.into_body())))
            },
        ));
        let start = Instant::now();
        let (_sender, frame) = oneshot::channel();
        let error = client.oneshot(Request::new(frame)).await.unwrap().into_body().frame().await.unwrap().unwrap_err();
        assert_eq!(start.elapsed(), end);
        assert_eq!(Rejection::find_in(&*error), Some(&Rejection::timeout(secs(1))));
    }
}

#[tokio::test(start_paused = true)]
async fn by_default_only_the_head_of_a_response_is_bounded() {
    let client =
        ServiceBuilder::new().layer(TimeoutLayer::new(secs(1))).service(service_fn(|request: Request<_>| async {
            Ok::<_, Error>(Response::new(Late::new(request.into_body())))
        }));
    let (sender, frame) = oneshot::channel();
    let mut body = client.oneshot(Request::new(frame)).await.unwrap().into_body();
    assert_pending!(task::spawn(body.frame()).poll());
    advance(secs(60)).await;
    assert_pending!(task::spawn(body.frame()).poll());
    sender.send("there").unwrap();
    assert!(body.frame().await.unwrap().is_ok());
}

#[test]
fn a_response_that_is_ready_at_once_needs_no_runtime() {
    let mut response = task::spawn(client_of(secs(1)).oneshot(async { "at once" }));
    assert_eq!(assert_ready_ok!(response.poll()), "at once");
}

#[test]
#[should_panic(expected = "runtime")]
fn a_response_that_is_not_ready_at_once_panics_without_a_runtime() {
    let _ = task::spawn(client_of(secs(1)).oneshot(pending::<()>())).poll();
}

#[tokio::test(start_paused = true)]
async fn a_limit_beyond_the_clock_never_ends() {
    let century = secs(100 * 365 * 24 * 60 * 60);
    for limit in [Duration::MAX, Duration::from_secs(u64::MAX / 4), century] {
        let mut response = task::spawn(client_of(limit).oneshot(pending::<()>()));
        assert_pending!(response.poll());
        advance(century / 50).await;
        assert_pending!(response.poll());
    }
    assert_eq!(client(Duration::MAX).oneshot(secs(3600)).await, Ok("done"));
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_zero_delivers_only_what_is_ready_at_once() {
    assert_eq!(client_of(Duration::ZERO).oneshot(async { "at once" }).await, Ok("at once"));
    let start = Instant::now();
    let error = client_of(Duration::ZERO).oneshot(yield_now()).await.unwrap_err();
    assert!(error.is_timeout());
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn the_clock_starts_with_the_call_however_late_the_response_is_polled() {
    let mut client = client(secs(1));
    let response = client.ready().await.unwrap().call(millis(900));
    advance(millis(600)).await;
    let start = Instant::now();
    assert!(response.await.unwrap_err().is_timeout());
    assert_eq!(start.elapsed(), millis(400));
}

#[tokio::test(start_paused = true)]
async fn readiness_is_not_bounded() {
    let mut wait = Box::pin(sleep(secs(60)));
    let slow_to_be_ready = Steered {
        poll_ready: move |cx: &mut Context<'_>| wait.as_mut().poll(cx).map(Ok::<_, Error>),
        call: |()| async { Ok("done") },
    };
    let client = ServiceBuilder::new().layer(TimeoutLayer::new(secs(1))).service(slow_to_be_ready);
    assert_eq!(client.oneshot(()).await, Ok("done"));
}

#[tokio::test(start_paused = true)]
async fn a_response_that_always_uses_up_the_budget_still_times_out() {
    let busy = async {
        loop {
            consume_budget().await;
        }
    };
    let response = tokio::spawn(client_of(secs(1)).oneshot(busy));
    // Time does not move by itself while the task is busy; the runtime looks at its timers now and then.
    let turns = async || {
        for _ in 0..500 {
            yield_now().await;
        }
    };
    turns().await;
    advance(millis(999)).await;
    turns().await;
    assert!(!response.is_finished());
    advance(millis(1)).await;
    turns().await;
    assert!(response.is_finished());
    assert!(response.await.unwrap().unwrap_err().is_timeout());
}

#[tokio::test(start_paused = true)]
async fn to_drop_the_response_drops_what_it_waits_for() {
    let dropped = Flag::default();
    let guard = dropped.raised_on_drop();
    let mut response = task::spawn(client_of(secs(1)).oneshot(async move {
        pending::<()>().await;
        drop(guard);
    }));
    assert_pending!(response.poll());
    assert!(!dropped.is_raised());
    drop(response);
    assert!(dropped.is_raised());
}

#[tokio::test(start_paused = true)]
async fn the_shorter_of_two_timeouts_ends_first_wherever_it_stands() {
    for (outer, inner) in [(1, 5), (5, 1), (1, 1)] {
        let client = ServiceBuilder::new()
            .layer(TimeoutLayer::new(secs(outer)))
            .layer(TimeoutLayer::new(secs(inner)))
            .map_err(Error::Service)
            .service(service_fn(|()| pending::<Result<(), &str>>()));
        let start = Instant::now();
        let error = client.oneshot(()).await.unwrap_err();
        assert_eq!(error.rejection(), Some(&Rejection::timeout(secs(1))), "{outer} s around {inner} s");
        assert_eq!(start.elapsed(), secs(1));
    }
}

/// A body that has a frame for whoever asks.
struct Endless;

impl Body for Endless {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"more")))))
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_whose_reader_is_slower_than_the_server_ends_at_the_deadline() {
    let mut body = ServiceBuilder::new()
        .layer(TimeoutLayer::new(secs(1)).until_body_end())
        .service(service_fn(|_: Request<()>| async { Ok::<_, Error>(Response::new(Endless)) }))
        .oneshot(Request::new(()))
        .await
        .unwrap()
        .into_body();
    for _ in 0..10 {
        assert!(body.frame().await.unwrap().is_ok());
        sleep(millis(100)).await;
    }
    // At the deadline a frame that is there is delivered; after it none is.
    assert!(body.frame().await.unwrap().is_ok());
    sleep(millis(1)).await;
    let error = body.frame().await.unwrap().unwrap_err();
    assert_eq!(Rejection::find_in(&*error), Some(&Rejection::timeout(secs(1))));
    let error = error.downcast::<std::io::Error>().unwrap();
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    assert!(body.frame().await.is_none(), "the body is gone");
}

/// In real time: a task that is never pending does not let a paused clock move.
#[tokio::test]
async fn a_body_that_is_always_ready_ends_at_the_deadline() {
    let start = Instant::now();
    let mut body = ServiceBuilder::new()
        .layer(TimeoutLayer::new(millis(50)).until_body_end())
        .service(service_fn(|_: Request<()>| async { Ok::<_, Error>(Response::new(Endless)) }))
        .oneshot(Request::new(()))
        .await
        .unwrap()
        .into_body();
    while body.frame().await.unwrap().is_ok() {
        assert!(start.elapsed() < secs(10), "it does not end");
    }
    assert!(start.elapsed() >= millis(50));
}
