//! Requests without a response: cancelled, timed out from outside, or gone in a panic.

use std::convert::Infallible;
use std::future::{Future, Ready, pending};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use windbreak::rules::rules_fn;
use windbreak::{CircuitBreakerLayer, Error, TimeoutLayer};

use super::*;

type Reply = Result<(), Error<Infallible>>;

#[tokio::test(start_paused = true)]
async fn a_cancelled_call_counts_for_nothing() {
    for builder in [two_strikes(), two_strikes().slow_calls(SECOND, 1.0)] {
        let circuit = builder.build().unwrap();
        for _ in 0..5 {
            let permit = admitted(&circuit);
            advance(SECOND).await;
            drop(permit);
        }
        assert_eq!(circuit.snapshot().tally, tally(0, 0, 0), "exactly the threshold is not slow");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_slow_already_when_it_was_cancelled_is_recorded_as_slow() {
    let circuit = two_strikes().slow_calls(SECOND, 1.0).build().unwrap();
    for slow in [1, 2] {
        let permit = admitted(&circuit);
        advance(SECOND + NANOSECOND).await;
        drop(permit);
        assert_eq!(circuit.snapshot().tally, tally(slow, 0, slow), "slow, and not failed");
    }
    assert_eq!(circuit.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn a_slow_probe_that_is_cancelled_is_judged() {
    let circuit = two_strikes().slow_calls(SECOND, 1.0).build().unwrap();
    trip_and_wait(&circuit).await;
    let probe = admitted(&circuit);
    advance(2 * SECOND).await;
    drop(probe);
    assert_eq!(circuit.state(), State::Open);
    assert_eq!(circuit.snapshot().tally, tally(1, 0, 1));
}

/// A timeout of two seconds outside, and a probe timeout of five.
#[tokio::test(start_paused = true)]
async fn the_time_of_cancelled_probes_adds_up_to_failed_ones() {
    let circuit = two_strikes().probes(2).probe_timeout(5 * SECOND).build().unwrap();
    trip_and_wait(&circuit).await;
    for (cancelled, failed) in [(1, 0), (2, 0), (3, 1), (4, 1)] {
        let probe = admitted(&circuit);
        advance(2 * SECOND).await;
        drop(probe);
        assert_eq!(circuit.snapshot().tally, tally(failed, failed, 0), "{cancelled} probes");
        assert_eq!(circuit.state(), State::HalfOpen);
    }
    let probe = admitted(&circuit);
    assert_eq!(rejected(&circuit), None, "the failed one keeps its place");
    advance(just_before(2 * SECOND)).await;
    drop(probe);
    assert_eq!(circuit.state(), State::HalfOpen, "a nanosecond short of the second timeout");
    let probe = admitted(&circuit);
    advance(NANOSECOND).await;
    drop(probe);
    assert_eq!(circuit.state(), State::Open);
    assert_eq!(rejected(&circuit), Some(10 * SECOND), "from when the last one was cancelled");
}

#[tokio::test(start_paused = true)]
async fn probes_that_are_cancelled_at_once_say_nothing() {
    let circuit = two_strikes().probe_timeout(NANOSECOND).build().unwrap();
    trip_and_wait(&circuit).await;
    for _ in 0..1_000 {
        drop(admitted(&circuit));
    }
    assert_eq!((circuit.state(), circuit.snapshot().tally), (State::HalfOpen, tally(0, 0, 0)));
}

#[tokio::test(start_paused = true)]
async fn the_time_of_ignored_probes_does_not_add_up() {
    let circuit = two_strikes().probe_timeout(5 * SECOND).build().unwrap();
    trip_and_wait(&circuit).await;
    for _ in 0..10 {
        call_taking(&circuit, 4 * SECOND, Verdict::Ignored).await;
    }
    assert_eq!((circuit.state(), circuit.snapshot().tally), (State::HalfOpen, tally(0, 0, 0)));
}

#[tokio::test(start_paused = true)]
async fn a_timeout_outside_the_breaker_does_not_keep_it_half_open() {
    let circuit = two_strikes().probe_timeout(5 * SECOND).build().unwrap();
    trip_and_wait(&circuit).await;
    let rejections = hang(&circuit).await;
    assert!(matches!(
        rejections[..],
        [
            Rejection::Timeout { .. },
            Rejection::Timeout { .. },
            Rejection::CircuitOpen { .. },
            Rejection::CircuitOpen { .. },
            Rejection::CircuitOpen { .. },
        ]
    ));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_cancelled_late_is_abandoned_and_has_failed() {
    let circuit = two_strikes().abandoned_after(SECOND).build().unwrap();
    for (ran, expected) in
        [(just_before(SECOND), tally(0, 0, 0)), (SECOND, tally(1, 1, 0)), (9 * SECOND, tally(2, 2, 0))]
    {
        let permit = admitted(&circuit);
        advance(ran).await;
        drop(permit);
        assert_eq!(circuit.snapshot().tally, expected);
    }
    assert_eq!(circuit.state(), State::Open);
    assert_eq!(circuit.snapshot().cause.as_deref(), Some("abandoned"));

    advance(10 * SECOND).await;
    let probe = admitted(&circuit);
    advance(SECOND).await;
    drop(probe);
    assert_eq!(circuit.state(), State::Open, "a probe too");
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_call_is_slow_too_if_it_is_that_long() {
    for (ran, slow) in [(2 * SECOND, 0), (2 * SECOND + NANOSECOND, 1)] {
        let circuit = two_strikes().abandoned_after(SECOND).slow_calls(2 * SECOND, 1.0).build().unwrap();
        let permit = admitted(&circuit);
        advance(ran).await;
        drop(permit);
        assert_eq!(circuit.snapshot().tally, tally(1, 1, slow));
    }
}

#[tokio::test(start_paused = true)]
async fn a_response_that_takes_longer_than_that_is_not_abandoned() {
    let circuit = two_strikes().abandoned_after(SECOND).build().unwrap();
    call_taking(&circuit, 5 * SECOND, Verdict::Success).await;
    assert_eq!(circuit.snapshot().tally, tally(1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn time_that_is_excluded_is_no_time_of_the_upstream() {
    let circuit = two_strikes().abandoned_after(SECOND).build().unwrap();
    let mut permit = admitted(&circuit);
    advance(SECOND).await;
    permit.exclude(NANOSECOND);
    drop(permit);
    assert_eq!(circuit.snapshot().tally, tally(0, 0, 0));

    let circuit = two_strikes().slow_calls(SECOND, 1.0).build().unwrap();
    let mut permit = admitted(&circuit);
    advance(2 * SECOND).await;
    permit.exclude(SECOND);
    permit.record(Verdict::Success);
    assert_eq!(circuit.snapshot().tally, tally(1, 0, 0));
}

/// Five requests to an upstream that hangs, with a timeout of three seconds outside the breaker.
async fn hang(circuit: &Circuit) -> Vec<Rejection> {
    let mut service = ServiceBuilder::new()
        .layer(TimeoutLayer::new(3 * SECOND))
        .layer(CircuitBreakerLayer::new(circuit.clone(), ErrorsOnly))
        .service(service_fn(|()| pending::<Reply>()));
    let mut rejections = Vec::new();
    for _ in 0..5 {
        let error = service.ready().await.expect("ready").call(()).await.expect_err("it hangs");
        rejections.push(error.into_service().expect_err("the upstream says nothing"));
    }
    rejections
}

#[tokio::test(start_paused = true)]
async fn a_timeout_outside_the_breaker_opens_it_if_slow_calls_are_judged() {
    let circuit = two_strikes().slow_calls(SECOND, 1.0).build().unwrap();
    let rejections = hang(&circuit).await;
    assert!(rejections[..2].iter().all(|rejection| matches!(rejection, Rejection::Timeout { .. })));
    assert!(rejections[2..].iter().all(|rejection| matches!(rejection, Rejection::CircuitOpen { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_timeout_outside_the_breaker_is_unseen_if_slow_calls_are_not_judged() {
    let circuit = two_strikes().build().unwrap();
    let rejections = hang(&circuit).await;
    assert!(rejections.iter().all(|rejection| matches!(rejection, Rejection::Timeout { .. })));
    assert_eq!(circuit.snapshot().tally, tally(0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_response_future_dropped_at_any_time_gives_its_permit_back() {
    let circuit = two_strikes().build().unwrap();
    let mut service = CircuitBreakerLayer::new(circuit.clone(), ErrorsOnly).layer(service_fn(|()| pending::<Reply>()));
    let mut context = Context::from_waker(Waker::noop());
    trip_and_wait(&circuit).await;

    let unpolled = service.ready().await.unwrap().call(());
    assert_eq!(rejected(&circuit), None);
    drop(unpolled);
    {
        let polled = service.ready().await.unwrap().call(());
        assert!(pin!(polled).poll(&mut context).is_pending());
    }
    let polled_ready = service.ready().await.unwrap();
    assert_eq!(circuit.state(), State::HalfOpen);
    let _ = polled_ready;
    succeed(&circuit);
    assert_eq!(circuit.state(), State::Closed);
}

/// The upstream is gone in a panic, at a moment of its own choice. Silent, unlike `panic!`.
fn blow_up<T>() -> T {
    resume_unwind(Box::new("the upstream"))
}

/// Calls and polls once; whether that unwound.
fn unwinds<S>(service: &mut S) -> bool
where
    S: Service<(), Response = (), Error = Error<Infallible>>,
{
    let mut context = Context::from_waker(Waker::noop());
    let once = AssertUnwindSafe(|| {
        assert!(service.poll_ready(&mut context).is_ready());
        pin!(service.call(())).poll(&mut context)
    });
    catch_unwind(once).is_err()
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_inner_future_is_a_failure() {
    let circuit = two_strikes().build().unwrap();
    let mut service =
        CircuitBreakerLayer::new(circuit.clone(), ErrorsOnly).layer(service_fn(|()| async { blow_up::<Reply>() }));
    assert!(unwinds(&mut service));
    assert_eq!(circuit.snapshot().tally, tally(1, 1, 0));
    assert!(unwinds(&mut service));
    assert_eq!(circuit.state(), State::Open);
    assert!(!unwinds(&mut service), "it is not called");
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_inner_call_is_a_failure() {
    let circuit = two_strikes().build().unwrap();
    let mut service =
        CircuitBreakerLayer::new(circuit.clone(), ErrorsOnly).layer(service_fn(|()| blow_up::<Ready<Reply>>()));
    assert!(unwinds(&mut service));
    assert_eq!(circuit.snapshot().tally, tally(1, 1, 0));
    assert!(unwinds(&mut service));
    assert_eq!(circuit.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_a_probe_takes_no_place_with_it() {
    let circuit = two_strikes().probes(2).build().unwrap();
    let mut in_the_future =
        CircuitBreakerLayer::new(circuit.clone(), ErrorsOnly).layer(service_fn(|()| async { blow_up::<Reply>() }));
    let mut in_the_call =
        CircuitBreakerLayer::new(circuit.clone(), ErrorsOnly).layer(service_fn(|()| blow_up::<Ready<Reply>>()));
    trip_and_wait(&circuit).await;
    assert!(unwinds(&mut in_the_future));
    assert_eq!(circuit.snapshot().tally, tally(1, 1, 0));
    assert!(unwinds(&mut in_the_call));
    assert_eq!(circuit.state(), State::Open);

    advance(10 * SECOND).await;
    succeed(&circuit);
    assert_eq!(circuit.state(), State::Closed, "nothing is left out of the two places");
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_a_late_result_is_dropped_like_any_other() {
    let circuit = two_strikes().build().unwrap();
    let mut service = CircuitBreakerLayer::new(circuit.clone(), ErrorsOnly).layer(service_fn(|()| async {
        tokio::task::yield_now().await;
        blow_up::<Reply>()
    }));
    let mut response = pin!(service.ready().await.unwrap().call(()));
    let mut context = Context::from_waker(Waker::noop());
    assert!(response.as_mut().poll(&mut context).is_pending());
    circuit.reset();
    assert!(catch_unwind(AssertUnwindSafe(|| response.poll(&mut context))).is_err());
    assert_eq!(circuit.snapshot().tally, tally(0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_classifier_gives_the_place_back() {
    let circuit = two_strikes().build().unwrap();
    let layer =
        CircuitBreakerLayer::new(circuit.clone(), rules_fn(|_: Result<&(), &Error<Infallible>>| blow_up::<Verdict>()));
    let mut service = layer.layer(service_fn(|()| async { Reply::Ok(()) }));
    trip_and_wait(&circuit).await;
    for _ in 0..3 {
        assert!(unwinds(&mut service));
        assert_eq!(circuit.snapshot().tally, tally(0, 0, 0), "it says nothing about the upstream");
    }
    succeed(&circuit);
    assert_eq!(circuit.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_result_ends_the_call_and_dropping_the_future_later_adds_nothing() {
    let circuit = two_strikes().slow_calls(SECOND, 1.0).build().unwrap();
    let mut service =
        CircuitBreakerLayer::new(circuit.clone(), ErrorsOnly).layer(service_fn(|()| async { Reply::Ok(()) }));
    {
        let mut response = pin!(service.ready().await.unwrap().call(()));
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(response.as_mut().poll(&mut context), Poll::Ready(Ok(())));
        assert_eq!(circuit.snapshot().tally, tally(1, 0, 0));
        advance(5 * SECOND).await;
    }
    assert_eq!(circuit.snapshot().tally, tally(1, 0, 0));
}
