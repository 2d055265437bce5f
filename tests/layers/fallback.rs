//! The fallback, as its users see it.

use std::future::{Ready, pending, ready};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use crate::support::{Flag, Log, Steered, secs};
use tokio::time::{Instant, sleep};
use tokio_test::{assert_pending, task};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use windbreak::classify::Replay;
use windbreak::fallback::Handler;
use windbreak::{
    BulkheadLayer, Circuit, CircuitBreakerLayer, Effect, Failure, FallbackLayer, Rejection, TimeoutLayer, Verdict,
};

/// Neither it nor its error is `Clone`.
#[derive(Debug, PartialEq, Eq)]
struct Page(String);

#[derive(Debug, PartialEq, Eq)]
struct Fault(&'static str);

type Error = windbreak::Error<Fault>;
type Answer = Result<Page, Error>;

fn page(text: impl Into<String>) -> Page {
    Page(text.into())
}

fn fault(text: &'static str) -> Answer {
    Err(Error::Service(Fault(text)))
}

/// What the service's own error says.
fn text(result: Answer) -> &'static str {
    result.expect_err("there was an error").into_service().expect("it was the service's own").0
}

/// A client whose callee answers with what the request makes: "up" is a page, anything else a fault.
fn client<L>(layer: L) -> L::Service
where
    L: Layer<tower::util::ServiceFn<fn(&'static str) -> Ready<Answer>>>,
{
    layer.layer(service_fn(|request| ready(if request == "up" { Ok(page("up")) } else { fault(request) })))
}

#[tokio::test]
async fn an_answer_that_is_good_enough_passes_and_the_fallback_is_not_asked() {
    let log = Log::default();
    let noted = log.clone();
    let layer = FallbackLayer::function(move |_: Answer| {
        noted.note();
        Ok(page("instead"))
    });
    assert_eq!(client(layer).oneshot("up").await, Ok(page("up")));
    assert_eq!(log.count(), 0);
}

#[tokio::test]
async fn a_value_answers_instead_each_time() {
    let mut client = FallbackLayer::value("instead")
        .layer(service_fn(|works: bool| ready(if works { Ok("up") } else { Err(Error::Service(Fault("down"))) })));
    for (works, answer) in [(false, "instead"), (true, "up"), (false, "instead")] {
        assert_eq!(client.ready().await.unwrap().call(works).await, Ok(answer));
    }
}

#[tokio::test]
async fn a_function_answers_with_what_it_makes_of_the_result() {
    let layer = FallbackLayer::function(|result: Answer| Ok(page(format!("instead of {}", text(result)))));
    assert_eq!(client(layer).oneshot("down").await, Ok(page("instead of down")));
}

#[tokio::test]
async fn a_function_may_answer_with_an_error() {
    let layer = FallbackLayer::function(|_: Answer| fault("a clearer one"));
    assert_eq!(client(layer).oneshot("down").await, fault("a clearer one"));
}

#[tokio::test(start_paused = true)]
async fn an_async_function_may_take_its_time_and_answer_with_an_error() {
    let layer = FallbackLayer::async_function(|result: Answer| async {
        sleep(secs(1)).await;
        if text(result) == "down" { Ok(page("instead")) } else { fault("nothing to be done") }
    });
    let start = Instant::now();
    assert_eq!(client(layer.clone()).oneshot("down").await, Ok(page("instead")));
    assert_eq!(client(layer).oneshot("gone").await, fault("nothing to be done"));
    assert_eq!(start.elapsed(), secs(2));
}

#[tokio::test]
async fn another_service_answers_a_copy_of_the_request() {
    let replica = service_fn(|request: &'static str| async move { Ok(page(format!("{request}, from the replica"))) });
    let client = client(FallbackLayer::service(replica));
    assert_eq!(client.clone().oneshot("down").await, Ok(page("down, from the replica")));
    assert_eq!(client.oneshot("up").await, Ok(page("up")));
}

#[tokio::test(start_paused = true)]
async fn another_service_is_waited_for_until_it_is_ready_and_called_once() {
    let (asked, called) = (Log::default(), Log::default());
    let noted = called.clone();
    let poll_ready = move |cx: &mut Context<'_>| {
        if asked.note() > 1 {
            return Poll::Ready(Ok(()));
        }
        let waker = cx.waker().clone();
        tokio::spawn(async {
            sleep(secs(5)).await;
            waker.wake();
        });
        Poll::Pending
    };
    let call = move |request: &'static str| {
        noted.note();
        ready(Ok(page(request)))
    };
    let start = Instant::now();
    assert_eq!(client(FallbackLayer::service(Steered { poll_ready, call })).oneshot("down").await, Ok(page("down")));
    assert_eq!((start.elapsed(), called.count()), (secs(5), 1));
}

#[tokio::test]
async fn another_service_that_breaks_before_it_is_ready_gives_its_error() {
    let poll_ready = |_: &mut Context<'_>| Poll::Ready(Err(Error::Service(Fault("the replica broke"))));
    let replica = Steered { poll_ready, call: |_: &'static str| ready(Ok(page("never"))) };
    assert_eq!(client(FallbackLayer::service(replica)).oneshot("down").await, fault("the replica broke"));
}

#[tokio::test]
async fn the_error_of_another_service_is_returned() {
    let replica = service_fn(|_: &'static str| async { fault("down as well") });
    assert_eq!(client(FallbackLayer::service(replica)).oneshot("down").await, fault("down as well"));
}

/// Copies no request but "again".
struct Choosy;

impl Replay<&'static str> for Choosy {
    fn replay(&self, request: &&'static str) -> Option<&'static str> {
        (*request == "again").then_some("a copy")
    }

    fn is_idempotent(&self, _: &&'static str) -> bool {
        false
    }
}

#[tokio::test]
async fn where_there_can_be_no_copy_the_first_result_stands() {
    let replica = service_fn(|request: &'static str| async move { Ok(page(request)) });
    let layer = FallbackLayer::service_with(replica, Choosy);
    assert_eq!(client(layer.clone()).oneshot("down").await, fault("down"));
    assert_eq!(client(layer).oneshot("again").await, Ok(page("a copy")));
}

/// Says what was asked, and what the answer was.
struct Obituary;

impl Handler<&'static str, Page, Error> for Obituary {
    type Kept = usize;
    type Future = Ready<Answer>;

    fn keep(&self, request: &&'static str) -> usize {
        request.len()
    }

    fn handle(&self, kept: usize, result: Answer) -> Ready<Answer> {
        ready(Ok(page(format!("{kept} letters: {}", text(result)))))
    }
}

#[tokio::test]
async fn a_handler_of_ones_own_keeps_what_it_needs_of_the_request() {
    assert_eq!(client(FallbackLayer::new(Obituary)).oneshot("down").await, Ok(page("4 letters: down")));
}

#[tokio::test]
async fn when_narrows_it() {
    let layer = FallbackLayer::function(|_: Answer| Ok(page("instead")))
        .when(|result: Result<&Page, &Error>| result.is_err_and(|error| error.service() == Some(&Fault("down"))));
    assert_eq!(client(layer.clone()).oneshot("down").await, Ok(page("instead")));
    assert_eq!(client(layer).oneshot("gone").await, fault("gone"));
}

#[tokio::test]
async fn it_steps_in_for_failures_and_what_is_ignored_and_for_nothing_else() {
    let answer_if = async |verdict: Verdict| {
        let log = Log::default();
        let noted = log.clone();
        let layer = FallbackLayer::function(|_: Answer| Ok(page("instead")))
            .classify(move |_: Result<&Page, &Error>| verdict)
            .when(move |_: Result<&Page, &Error>| noted.note() > 0);
        let answers = (client(layer.clone()).oneshot("up").await, client(layer).oneshot("down").await);
        (answers, log.count())
    };
    for verdict in [Verdict::Failure(Failure::new(Effect::None)), Verdict::Failure(Failure::new(Effect::Unknown))] {
        assert_eq!(answer_if(verdict).await, ((Ok(page("instead")), Ok(page("instead"))), 2));
    }
    assert_eq!(answer_if(Verdict::Ignored).await, ((Ok(page("instead")), Ok(page("instead"))), 2));
    // `when` narrows only: it is not even asked of these.
    assert_eq!(answer_if(Verdict::Success).await, ((Ok(page("up")), fault("down")), 0));
    assert_eq!(answer_if(Verdict::Refused).await, ((Ok(page("up")), fault("down")), 0));
}

#[tokio::test(start_paused = true)]
async fn by_default_it_steps_in_for_every_rejection() {
    let open = Circuit::builder("down").build().unwrap();
    open.force_open();
    let full = BulkheadLayer::new(1).unwrap();
    let _in_flight = ServiceBuilder::new().layer(full.clone()).service(service_fn(stuck)).call(());

    assert!(matches!(replaced(CircuitBreakerLayer::new(open)).await, Rejection::CircuitOpen { .. }));
    assert!(matches!(replaced(full.clone()).await, Rejection::BulkheadFull { .. }));
    assert!(matches!(replaced(full.max_wait(secs(1))).await, Rejection::BulkheadTimeout { .. }));
    assert!(matches!(replaced(TimeoutLayer::new(secs(1))).await, Rejection::Timeout { .. }));
}

fn stuck(_: ()) -> std::future::Pending<Answer> {
    pending()
}

/// The rejection by `layer` that a fallback around it replaced.
async fn replaced<L>(layer: L) -> Rejection
where
    L: Layer<tower::util::ServiceFn<fn(()) -> std::future::Pending<Answer>>>,
    L::Service: Service<(), Response = Page, Error = Error>,
{
    let seen = Arc::new(Mutex::new(None));
    let result = Arc::clone(&seen);
    let fallback = FallbackLayer::function(move |rejected: Answer| {
        *result.lock().expect("no test panics here") = rejected.err();
        Ok(page("instead"))
    });
    let service = service_fn(stuck as fn(()) -> std::future::Pending<Answer>);
    let client = ServiceBuilder::new().layer(fallback).layer(layer).service(service);
    assert_eq!(client.oneshot(()).await, Ok(page("instead")));
    let error = seen.lock().expect("no test panics here").take();
    error.and_then(|error| error.into_service().err()).expect("it was rejected")
}

#[tokio::test]
async fn the_error_of_a_service_that_is_not_ready_is_passed_on() {
    let poll_ready = |_: &mut Context<'_>| Poll::Ready(Err(Error::Service(Fault("broken"))));
    let broken = Steered { poll_ready, call: |()| ready(Ok(page("never"))) };
    let client = FallbackLayer::function(|_: Answer| Ok(page("instead"))).layer(broken);
    assert_eq!(client.oneshot(()).await, fault("broken"));
}

#[tokio::test]
async fn to_drop_the_response_drops_what_it_waits_for() {
    let (inner, instead) = (Flag::default(), Flag::default());
    let (inner_guard, instead_guard) = (inner.clone(), instead.clone());
    let callee = service_fn(move |works: bool| {
        let guard = inner_guard.raised_on_drop();
        async move {
            if works {
                pending::<()>().await;
            }
            drop(guard);
            fault("down")
        }
    });
    let client = FallbackLayer::async_function(move |_: Answer| {
        let guard = instead_guard.raised_on_drop();
        async move {
            pending::<()>().await;
            drop(guard);
            Ok(page("instead"))
        }
    })
    .layer(callee);

    let mut waits_for_the_callee = task::spawn(client.clone().oneshot(true));
    assert_pending!(waits_for_the_callee.poll());
    assert!(!inner.is_raised());
    drop(waits_for_the_callee);
    assert!(inner.is_raised());

    let mut waits_for_the_fallback = task::spawn(client.oneshot(false));
    assert_pending!(waits_for_the_fallback.poll());
    assert!(!instead.is_raised());
    drop(waits_for_the_fallback);
    assert!(instead.is_raised());
}
