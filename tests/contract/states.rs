//! The states that only some layers have: each is reached, the future dropped, and everything is back.

use crate::support::all_safe;
use std::time::Duration;
use windbreak::rules::ErrorsOnly;

use tokio::time::advance;
use tokio_test::{assert_pending, assert_ready, task};
use tower::Service;
use windbreak::bulkhead::Semaphore;
use windbreak::circuit_breaker::State;
use windbreak::rate_limit::{Rate, RateLimit};
use windbreak::{BulkheadLayer, CircuitBreakerLayer, Error, FallbackLayer, RateLimitLayer};

use super::subjects::{Call, Subject, half_open, retry, retry_layer};
use super::upstream::{Control, Fate, Readiness};

// Retry.

#[tokio::test(start_paused = true)]
async fn a_retry_dropped_in_its_pause_gives_everything_back() {
    let mut subject = retry();
    subject.upstream.set_fate(Fate::Fails);
    let mut call = subject.call();
    assert_pending!(call.poll());
    assert_eq!(subject.upstream.futures(), 0, "the attempt that failed is gone before the pause");
    drop(call);
    subject.assert_at_rest();
    advance(Duration::from_secs(10)).await;
    assert_eq!(subject.upstream.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_retry_dropped_while_it_waits_for_readiness_gives_everything_back() {
    let mut subject = retry();
    let mut call = second_attempt(&mut subject, Readiness::Pending).await;
    assert_pending!(call.poll());
    assert_eq!(subject.upstream.calls(), 1);
    drop(call);
    subject.assert_at_rest();
}

#[tokio::test(start_paused = true)]
async fn a_retry_dropped_during_its_second_attempt_gives_everything_back() {
    let mut subject = retry();
    let mut call = second_attempt(&mut subject, Readiness::Ready).await;
    subject.upstream.set_fate(Fate::Pends);
    assert_pending!(call.poll());
    assert_eq!(subject.upstream.calls(), 2);
    drop(call);
    subject.assert_at_rest();
}

#[tokio::test(start_paused = true)]
async fn a_second_attempt_waits_until_its_service_is_ready_again() {
    let mut subject = retry();
    let mut call = second_attempt(&mut subject, Readiness::Pending).await;
    subject.upstream.set_fate(Fate::Responds);
    assert_pending!(call.poll());
    subject.upstream.set_readiness(Readiness::Ready);
    assert!(call.is_woken());
    assert_eq!(assert_ready!(call.poll()), Ok("response"));
    assert_eq!(subject.upstream.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_second_attempt_that_finds_its_service_broken_does_not_hide_the_first() {
    let mut subject = retry();
    let mut call = second_attempt(&mut subject, Readiness::Fails).await;
    let error = assert_ready!(call.poll()).unwrap_err();
    assert_ne!(error.service(), Some(&"not ready"));
    assert_eq!(error.attempts().map(windbreak::retry::Attempts::count), Some(1));
    drop(call);
    subject.assert_at_rest();
}

/// A call whose first attempt has failed and whose pause is over.
async fn second_attempt(subject: &mut Subject, readiness: Readiness) -> Call {
    subject.upstream.set_fate(Fate::Fails);
    let mut call = subject.call();
    assert_pending!(call.poll());
    subject.upstream.set_readiness(readiness);
    advance(Duration::from_secs(2)).await;
    call
}

// Bulkhead.

/// A bulkhead of one place, which the first of the two calls has; the second one queues.
fn one_in_flight_and_one_queued() -> (Subject, Semaphore, Call, Call) {
    let layer = BulkheadLayer::new(1).expect("valid").max_wait(Duration::from_secs(60));
    let places = layer.semaphore().clone();
    let at_rest = layer.semaphore().clone();
    let mut subject = Subject::new(layer, move || (at_rest.in_flight(), at_rest.queued()) == (0, 0));
    subject.upstream.set_fate(Fate::Pends);
    let mut in_flight = subject.call();
    assert_pending!(in_flight.poll());
    let queued = subject.call();
    assert_eq!((places.in_flight(), places.queued()), (1, 1));
    (subject, places, in_flight, queued)
}

#[tokio::test(start_paused = true)]
async fn a_queued_request_dropped_before_its_first_poll_leaves_the_queue() {
    let (subject, places, in_flight, queued) = one_in_flight_and_one_queued();
    drop(queued);
    assert_eq!((places.in_flight(), places.queued()), (1, 0));
    drop(in_flight);
    subject.assert_at_rest();
}

#[tokio::test(start_paused = true)]
async fn a_queued_request_dropped_while_it_waits_leaves_the_queue() {
    let (subject, places, in_flight, mut queued) = one_in_flight_and_one_queued();
    assert_pending!(queued.poll());
    drop(queued);
    assert_eq!((places.in_flight(), places.queued()), (1, 0));
    drop(in_flight);
    subject.assert_at_rest();
}

#[tokio::test(start_paused = true)]
async fn a_place_that_was_given_to_a_dropped_request_goes_to_the_next() {
    let (mut subject, places, in_flight, mut queued) = one_in_flight_and_one_queued();
    assert_pending!(queued.poll());
    let mut next = subject.call();
    assert_pending!(next.poll());
    drop(in_flight);
    assert!(queued.is_woken());
    assert!(!next.is_woken());
    drop(queued);
    assert!(next.is_woken());
    assert_pending!(next.poll());
    assert_eq!((places.in_flight(), places.queued()), (1, 0));
    drop(next);
    subject.assert_at_rest();
}

#[tokio::test(start_paused = true)]
async fn a_request_admitted_from_the_queue_and_dropped_gives_its_place_back() {
    let (subject, places, in_flight, mut queued) = one_in_flight_and_one_queued();
    assert_pending!(queued.poll());
    drop(in_flight);
    assert_pending!(queued.poll());
    assert_eq!((places.in_flight(), subject.upstream.calls()), (1, 2));
    drop(queued);
    subject.assert_at_rest();
}

#[tokio::test(start_paused = true)]
async fn a_queued_request_calls_the_instance_that_was_polled_ready() {
    let (mut subject, _, in_flight, mut queued) = one_in_flight_and_one_queued();
    assert_pending!(queued.poll());
    drop(in_flight);
    subject.upstream.set_fate(Fate::Responds);
    assert_eq!(assert_ready!(queued.poll()), Ok("response"));
    subject.assert_responds();
    drop(queued);
    subject.assert_at_rest();
}

#[tokio::test(start_paused = true)]
async fn a_request_that_queued_in_vain_has_given_everything_back() {
    let (subject, places, in_flight, mut queued) = one_in_flight_and_one_queued();
    assert_pending!(queued.poll());
    advance(Duration::from_secs(61)).await;
    assert!(assert_ready!(queued.poll()).unwrap_err().is_bulkhead_full());
    // The finished future is still there.
    assert_eq!((places.in_flight(), places.queued()), (1, 0));
    drop(in_flight);
    subject.assert_at_rest();
}

#[tokio::test(start_paused = true)]
async fn a_rejection_of_the_bulkhead_holds_nothing() {
    let layer = BulkheadLayer::new(1).expect("valid");
    let places = layer.semaphore().clone();
    let mut subject = Subject::new(layer, move || places.in_flight() == 0);
    subject.upstream.set_fate(Fate::Pends);
    let in_flight = subject.call();
    let unpolled = subject.call();
    let mut rejected = subject.call();
    assert!(assert_ready!(rejected.poll()).unwrap_err().is_bulkhead_full());
    drop(in_flight);
    subject.assert_at_rest();
    drop(unpolled);
    subject.assert_at_rest();
}

// Circuit breaker.

#[tokio::test(start_paused = true)]
async fn dropped_probes_give_their_places_back() {
    let (layer, circuit) = half_open(2);
    let seen = circuit.clone();
    let mut subject = Subject::new(layer, move || seen.state() == State::HalfOpen);
    subject.upstream.set_fate(Fate::Pends);
    for _ in 0..3 {
        let unpolled = subject.call();
        let mut pending = subject.call();
        assert_pending!(pending.poll());
        let third = subject.call();
        assert_eq!(subject.upstream.futures(), 2);
        assert!(circuit.acquire().is_err());
        drop((unpolled, pending, third));
        subject.assert_at_rest();
    }
    assert_eq!(circuit.snapshot().tally.calls, 0);
}

#[tokio::test(start_paused = true)]
async fn a_rejection_by_an_open_circuit_touches_nothing() {
    let (layer, circuit) = half_open(1);
    circuit.force_open();
    let mut subject = Subject::new(layer, || true);
    subject.upstream.set_readiness(Readiness::Pending);
    let unpolled = subject.call();
    assert!(assert_ready!(subject.call().poll()).unwrap_err().is_circuit_open());
    drop(unpolled);
    assert_eq!(subject.upstream.calls(), 0);
    subject.assert_at_rest();
}

/// `poll_ready` did not ask the inner service, so the call does.
#[tokio::test(start_paused = true)]
async fn a_service_polled_while_open_asks_again_when_it_is_called() {
    let circuit = half_open(1).1;
    circuit.force_open();
    let mut subject = Subject::new(CircuitBreakerLayer::new(circuit.clone(), ErrorsOnly), || true);
    subject.assert_ready();
    circuit.reset();
    let mut admitted = task::spawn(subject.service.call(subject.request.clone()));
    assert_ready!(admitted.poll()).unwrap();
    subject.assert_responds();
}

// Fallback.

#[tokio::test(start_paused = true)]
async fn a_fallback_dropped_while_the_other_service_is_not_ready_gives_everything_back() {
    let (mut subject, other) = failing_with_a_fallback();
    other.set_readiness(Readiness::Pending);
    let mut call = subject.call();
    assert_pending!(call.poll());
    assert_eq!(other.calls(), 0);
    assert_eq!(subject.upstream.futures(), 0, "the future that failed is gone before the fallback begins");
    drop(call);
    subject.assert_at_rest();
}

#[tokio::test(start_paused = true)]
async fn a_fallback_dropped_while_the_other_service_works_gives_everything_back() {
    let (mut subject, other) = failing_with_a_fallback();
    other.set_fate(Fate::Pends);
    let mut call = subject.call();
    assert_pending!(call.poll());
    assert_eq!(other.futures(), 1);
    drop(call);
    subject.assert_at_rest();
}

#[tokio::test(start_paused = true)]
async fn a_fallback_waits_until_the_other_service_is_ready() {
    let (mut subject, other) = failing_with_a_fallback();
    other.set_readiness(Readiness::Pending);
    let mut call = subject.call();
    assert_pending!(call.poll());
    other.set_readiness(Readiness::Ready);
    assert!(call.is_woken());
    assert_eq!(assert_ready!(call.poll()), Ok("response"));
    assert_eq!(other.calls(), 1);
    drop(call);
    subject.assert_at_rest();
}

#[tokio::test(start_paused = true)]
async fn a_fallback_whose_other_service_is_broken_returns_its_error() {
    let (mut subject, other) = failing_with_a_fallback();
    other.set_readiness(Readiness::Fails);
    assert_eq!(assert_ready!(subject.call().poll()), Err(Error::Service("not ready")));
    subject.assert_at_rest();
}

/// An upstream that fails, with another one to fall back on.
fn failing_with_a_fallback() -> (Subject, Control) {
    let other = Control::default();
    let layer = FallbackLayer::service(other.upstream(), all_safe());
    let seen = other.clone();
    let subject = Subject::new(layer, move || (seen.instances(), seen.futures()) == (1, 0));
    subject.upstream.set_fate(Fate::Fails);
    (subject, other)
}

// Several layers.

#[tokio::test(start_paused = true)]
async fn a_bulkhead_gives_its_place_back_during_the_pause_of_a_retry_above_it() {
    let bulkhead = BulkheadLayer::new(1).expect("valid");
    let places = bulkhead.semaphore().clone();
    let stack = tower::ServiceBuilder::new().layer(retry_layer()).layer(bulkhead).into_inner();
    let mut subject = Subject::new(stack, || true);
    subject.upstream.set_fate(Fate::Fails);
    let mut call = subject.call();
    assert_eq!(places.in_flight(), 1);
    assert_pending!(call.poll());
    assert_eq!(places.in_flight(), 0);
    drop(call);
    subject.assert_at_rest();
}

// Rate limit.

/// One request has passed, and the next passes in an hour.
fn one_waits_for_the_rate() -> (Subject, RateLimit, Call) {
    let layer = RateLimitLayer::new(Rate::per_hour(1).burst(1).expect("valid")).max_wait(Duration::MAX);
    let limit = layer.limit().clone();
    let at_rest = layer.limit().clone();
    let mut subject = Subject::new(layer, move || at_rest.queued() == 0);
    subject.assert_responds();
    let waiting = subject.call();
    assert_eq!((limit.queued(), subject.upstream.calls()), (1, 1));
    (subject, limit, waiting)
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waits_for_the_rate_leaves_the_queue_when_it_is_dropped_polled_or_not() {
    for polled in [false, true] {
        let (mut subject, _, mut waiting) = one_waits_for_the_rate();
        if polled {
            assert_pending!(waiting.poll());
        }
        drop(waiting);
        subject.assert_at_rest();
        advance(Duration::from_secs(3600)).await;
        subject.assert_responds();
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_turn_has_come_and_who_is_dropped_leaves_it_to_others() {
    let (mut subject, limit, mut waiting) = one_waits_for_the_rate();
    assert_pending!(waiting.poll());
    limit.set(Rate::per_hour(1).burst(2).expect("valid"));
    assert!(waiting.is_woken());
    assert_eq!((limit.queued(), limit.available()), (0, 0));
    drop(waiting);
    subject.assert_at_rest();
    assert_eq!(limit.available(), 1);
    subject.assert_responds();
}

#[tokio::test(start_paused = true)]
async fn a_request_that_has_waited_is_called_on_the_instance_that_was_polled_ready() {
    let (mut subject, limit, mut waiting) = one_waits_for_the_rate();
    assert_pending!(waiting.poll());
    // The service is asked for another meanwhile.
    subject.assert_ready();
    limit.set(Rate::per_hour(1).burst(2).expect("valid"));
    assert_eq!(assert_ready!(waiting.poll()), Ok("response"));
    drop(waiting);
    subject.assert_at_rest();
}
