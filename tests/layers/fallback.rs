//! The fallback, as its users see it.

use std::future::{Ready, pending, ready};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use crate::support::{Flag, Log, Steered, secs};
use tokio::time::{Instant, sleep};
use tokio_test::{assert_pending, task};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use windbreak::rules::{ErrorsOnly, Idempotency, rules_fn};
use windbreak::{
    BulkheadLayer, Circuit, CircuitBreakerLayer, Effect, Failure, FallbackLayer, Rejection, TimeoutLayer, Verdict,
};

/// Neither it nor its error is `Clone`.
#[derive(Debug, PartialEq, Eq)]
struct Page(String);

#[derive(Debug, PartialEq, Eq)]
struct Fault(&'static str);

type Error = windbreak::Error<Fault>;
type Reply = Result<Page, Error>;

/// Rules for requests that change nothing.
fn reads() -> impl Clone + windbreak::rules::Rules<&'static str, Page, Error> {
    ErrorsOnly.idempotent(|_: &&'static str| Idempotency::Safe)
}

fn page(text: impl Into<String>) -> Page {
    Page(text.into())
}

fn fault(text: &'static str) -> Reply {
    Err(Error::Service(Fault(text)))
}

/// What the service's own error says.
fn text(result: Reply) -> &'static str {
    result.expect_err("there was an error").into_service().expect("it was the service's own").0
}

/// A client whose upstream returns what the request makes: "up" is a page, anything else a fault.
fn client<L>(layer: L) -> L::Service
where
    L: Layer<tower::util::ServiceFn<fn(&'static str) -> Ready<Reply>>>,
{
    layer.layer(service_fn(|request| ready(if request == "up" { Ok(page("up")) } else { fault(request) })))
}

#[tokio::test]
async fn a_response_that_is_good_enough_passes_and_the_fallback_is_not_asked() {
    let log = Log::default();
    let noted = log.clone();
    let layer = FallbackLayer::function(
        move |_: Reply| {
            noted.note();
            Ok(page("instead"))
        },
        ErrorsOnly,
    );
    assert_eq!(client(layer).oneshot("up").await, Ok(page("up")));
    assert_eq!(log.count(), 0);
}

#[tokio::test]
async fn a_value_replaces_each_failure() {
    let mut client = FallbackLayer::value("instead", ErrorsOnly)
        .layer(service_fn(|works: bool| ready(if works { Ok("up") } else { Err(Error::Service(Fault("down"))) })));
    for (works, reply) in [(false, "instead"), (true, "up"), (false, "instead")] {
        assert_eq!(client.ready().await.unwrap().call(works).await, Ok(reply));
    }
}

#[tokio::test]
async fn a_function_replaces_the_result() {
    let layer = FallbackLayer::function(|result: Reply| Ok(page(format!("instead of {}", text(result)))), ErrorsOnly);
    assert_eq!(client(layer).oneshot("down").await, Ok(page("instead of down")));
}

#[tokio::test]
async fn a_function_may_return_an_error() {
    let layer = FallbackLayer::function(|_: Reply| fault("a clearer one"), ErrorsOnly);
    assert_eq!(client(layer).oneshot("down").await, fault("a clearer one"));
}

#[tokio::test(start_paused = true)]
async fn an_async_function_may_wait_and_return_an_error() {
    let layer = FallbackLayer::async_function(
        |result: Reply| async {
            sleep(secs(1)).await;
            if text(result) == "down" { Ok(page("instead")) } else { fault("nothing to be done") }
        },
        ErrorsOnly,
    );
    let start = Instant::now();
    assert_eq!(client(layer.clone()).oneshot("down").await, Ok(page("instead")));
    assert_eq!(client(layer).oneshot("gone").await, fault("nothing to be done"));
    assert_eq!(start.elapsed(), secs(2));
}

#[tokio::test]
async fn another_service_gets_a_copy_of_the_request() {
    let replica = service_fn(|request: &'static str| async move { Ok(page(format!("{request}, from the replica"))) });
    let client = client(FallbackLayer::service(replica, reads()));
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
    assert_eq!(
        client(FallbackLayer::service(Steered { poll_ready, call }, reads())).oneshot("down").await,
        Ok(page("down"))
    );
    assert_eq!((start.elapsed(), called.count()), (secs(5), 1));
}

#[tokio::test]
async fn another_service_that_breaks_before_it_is_ready_gives_its_error() {
    let poll_ready = |_: &mut Context<'_>| Poll::Ready(Err(Error::Service(Fault("the replica broke"))));
    let replica = Steered { poll_ready, call: |_: &'static str| ready(Ok(page("never"))) };
    assert_eq!(client(FallbackLayer::service(replica, reads())).oneshot("down").await, fault("the replica broke"));
}

#[tokio::test]
async fn the_error_of_another_service_is_returned() {
    let replica = service_fn(|_: &'static str| async { fault("down as well") });
    assert_eq!(client(FallbackLayer::service(replica, reads())).oneshot("down").await, fault("down as well"));
}

#[tokio::test]
async fn where_there_can_be_no_copy_the_first_result_stands() {
    let replica = service_fn(|request: &'static str| async move { Ok(page(request)) });
    let rules = ErrorsOnly
        .idempotent(|_: &&'static str| Idempotency::Safe)
        .copy_with(|request: &&'static str| (*request == "again").then_some("a copy"));
    let layer = FallbackLayer::service(replica, rules);
    assert_eq!(client(layer.clone()).oneshot("down").await, fault("down"));
    assert_eq!(client(layer).oneshot("again").await, Ok(page("a copy")));
}

/// To another service go only requests that change nothing, and requests on which the first certainly did not act: a key,
/// or an idempotent method, holds at one service only.
#[tokio::test]
async fn a_request_that_may_have_taken_effect_never_goes_to_another_service() {
    use Idempotency::{Idempotent, Keyed, NotIdempotent, Safe};

    let failed = |effect| Verdict::Failure(Failure::new(effect));
    for (verdict, goes) in [
        (failed(Effect::Unknown), &[Safe][..]),
        (failed(Effect::NotApplied), &[Safe, Idempotent, Keyed, NotIdempotent]),
        (Verdict::throttled(None), &[Safe, Idempotent, Keyed, NotIdempotent]),
        // The caller's own mistake, such as an upload that it aborted, may have taken effect.
        (Verdict::Ignored, &[Safe]),
    ] {
        for idempotency in [Safe, Idempotent, Keyed, NotIdempotent] {
            let replica = service_fn(|_: &'static str| async { Ok(page("from the replica")) });
            let rules = rules_fn(move |_: Result<&Page, &Error>| verdict).idempotent(move |_: &&str| idempotency);
            let response = client(FallbackLayer::service(replica, rules)).oneshot("down").await;
            let expected = if goes.contains(&idempotency) { Ok(page("from the replica")) } else { fault("down") };
            assert_eq!(response, expected, "{verdict:?} {idempotency:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_a_layer_rejected_before_it_was_sent_may_go_to_another_service() {
    let open = Circuit::builder("down").build().unwrap();
    open.force_open();
    let replica = || service_fn(|()| async { Ok(page("from the replica")) });
    let fallback = || FallbackLayer::service(replica(), ErrorsOnly);
    let upstream = || service_fn(stuck as fn(()) -> std::future::Pending<Reply>);

    let rejected = ServiceBuilder::new().layer(fallback()).layer(CircuitBreakerLayer::new(open, ErrorsOnly));
    assert_eq!(rejected.service(upstream()).oneshot(()).await, Ok(page("from the replica")));

    let sent = ServiceBuilder::new().layer(fallback()).layer(TimeoutLayer::new(secs(1))).service(upstream());
    assert!(sent.oneshot(()).await.unwrap_err().is_timeout());
}

#[tokio::test]
async fn when_narrows_it() {
    let layer = FallbackLayer::function(|_: Reply| Ok(page("instead")), ErrorsOnly)
        .when(|result: Result<&Page, &Error>| result.is_err_and(|error| error.service() == Some(&Fault("down"))));
    assert_eq!(client(layer.clone()).oneshot("down").await, Ok(page("instead")));
    assert_eq!(client(layer).oneshot("gone").await, fault("gone"));
}

#[tokio::test]
async fn it_steps_in_for_failures_and_what_is_ignored_and_for_nothing_else() {
    let reply_to = async |verdict: Verdict| {
        let log = Log::default();
        let noted = log.clone();
        let rules = rules_fn(move |_: Result<&Page, &Error>| verdict);
        let layer = FallbackLayer::function(|_: Reply| Ok(page("instead")), rules)
            .when(move |_: Result<&Page, &Error>| noted.note() > 0);
        let replies = (client(layer.clone()).oneshot("up").await, client(layer).oneshot("down").await);
        (replies, log.count())
    };
    for verdict in [Verdict::Failure(Failure::new(Effect::NotApplied)), Verdict::Failure(Failure::new(Effect::Unknown))]
    {
        assert_eq!(reply_to(verdict).await, ((Ok(page("instead")), Ok(page("instead"))), 2));
    }
    assert_eq!(reply_to(Verdict::Ignored).await, ((Ok(page("instead")), Ok(page("instead"))), 2));
    // `when` narrows only: it is not even asked of these.
    assert_eq!(reply_to(Verdict::Success).await, ((Ok(page("up")), fault("down")), 0));
    assert_eq!(reply_to(Verdict::Declined).await, ((Ok(page("up")), fault("down")), 0));
}

#[tokio::test(start_paused = true)]
async fn by_default_it_steps_in_for_every_rejection() {
    let open = Circuit::builder("down").build().unwrap();
    open.force_open();
    let full = BulkheadLayer::new(1).unwrap();
    let _in_flight = ServiceBuilder::new().layer(full.clone()).service(service_fn(stuck)).call(());

    assert!(matches!(replaced(CircuitBreakerLayer::new(open, ErrorsOnly)).await, Rejection::CircuitOpen { .. }));
    assert!(matches!(replaced(full.clone()).await, Rejection::BulkheadFull { .. }));
    assert!(matches!(replaced(full.max_wait(secs(1))).await, Rejection::BulkheadTimeout { .. }));
    assert!(matches!(replaced(TimeoutLayer::new(secs(1))).await, Rejection::Timeout { .. }));
}

fn stuck(_: ()) -> std::future::Pending<Reply> {
    pending()
}

/// The rejection by `layer` that a fallback around it replaced.
async fn replaced<L>(layer: L) -> Rejection
where
    L: Layer<tower::util::ServiceFn<fn(()) -> std::future::Pending<Reply>>>,
    L::Service: Service<(), Response = Page, Error = Error>,
{
    let seen = Arc::new(Mutex::new(None));
    let result = Arc::clone(&seen);
    let fallback = FallbackLayer::function(
        move |rejected: Reply| {
            *result.lock().expect("no test panics here") = rejected.err();
            Ok(page("instead"))
        },
        ErrorsOnly,
    );
    let service = service_fn(stuck as fn(()) -> std::future::Pending<Reply>);
    let client = ServiceBuilder::new().layer(fallback).layer(layer).service(service);
    assert_eq!(client.oneshot(()).await, Ok(page("instead")));
    let error = seen.lock().expect("no test panics here").take();
    error.and_then(|error| error.into_service().err()).expect("it was rejected")
}

#[tokio::test]
async fn the_error_of_a_service_that_is_not_ready_is_passed_on() {
    let poll_ready = |_: &mut Context<'_>| Poll::Ready(Err(Error::Service(Fault("broken"))));
    let broken = Steered { poll_ready, call: |()| ready(Ok(page("never"))) };
    let client = FallbackLayer::function(|_: Reply| Ok(page("instead")), ErrorsOnly).layer(broken);
    assert_eq!(client.oneshot(()).await, fault("broken"));
}

#[tokio::test]
async fn to_drop_the_response_drops_what_it_waits_for() {
    let (inner, instead) = (Flag::default(), Flag::default());
    let (inner_guard, instead_guard) = (inner.clone(), instead.clone());
    let upstream = service_fn(move |works: bool| {
        let guard = inner_guard.raised_on_drop();
        async move {
            if works {
                pending::<()>().await;
            }
            drop(guard);
            fault("down")
        }
    });
    let client = FallbackLayer::async_function(
        move |_: Reply| {
            let guard = instead_guard.raised_on_drop();
            async move {
                pending::<()>().await;
                drop(guard);
                Ok(page("instead"))
            }
        },
        ErrorsOnly,
    )
    .layer(upstream);

    let mut waits_for_the_upstream = task::spawn(client.clone().oneshot(true));
    assert_pending!(waits_for_the_upstream.poll());
    assert!(!inner.is_raised());
    drop(waits_for_the_upstream);
    assert!(inner.is_raised());

    let mut waits_for_the_fallback = task::spawn(client.oneshot(false));
    assert_pending!(waits_for_the_fallback.poll());
    assert!(!instead.is_raised());
    drop(waits_for_the_fallback);
    assert!(instead.is_raised());
}

/// An order that was placed, and whose confirmation was rejected by an open circuit of the service that sends it.
#[derive(Debug)]
struct Unconfirmed(Rejection);

impl std::fmt::Display for Unconfirmed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the order was placed, and is not confirmed")
    }
}

impl std::error::Error for Unconfirmed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[tokio::test]
async fn a_rejection_behind_another_error_does_not_prove_that_nothing_was_done() {
    type BoxError = Box<dyn std::error::Error + Send + Sync>;

    let rejection = || Rejection::circuit_open("mail", Some(secs(1)));
    let ordered = |error: BoxError| {
        let upstream = Arc::new(Mutex::new(Some(error)));
        let service = service_fn(move |_: &'static str| {
            let error = upstream.lock().expect("no test panics here").take().expect("it is called once");
            ready(Err::<&str, _>(error))
        });
        let other = service_fn(|_: &'static str| ready(Ok::<_, BoxError>("ordered elsewhere")));
        FallbackLayer::service(other, ErrorsOnly).layer(service).oneshot("order")
    };
    assert!(ordered(Unconfirmed(rejection()).into()).await.is_err());
    // Nor does the effect that such a rejection tells of.
    let mail = Rejection::retry_stopped(2, "503", Effect::NotApplied, rejection());
    assert!(ordered(Unconfirmed(mail).into()).await.is_err());
    // That of the request itself does prove it.
    assert_eq!(ordered(rejection().into()).await.unwrap(), "ordered elsewhere");
}
