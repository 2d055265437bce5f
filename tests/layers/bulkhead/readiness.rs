//! Who waits, or is rejected, does not hold what the inner service gave it when it was asked whether it is ready.

use std::future::{Ready, pending, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;

use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task};
use tower::limit::ConcurrencyLimit;
use tower::{Layer as _, Service, ServiceExt, service_fn};
use windbreak::BulkheadLayer;

use super::{Client, Error, call, client, numbers};
use crate::support::{Steered, secs};

/// A client whose readiness is a permit of tower's: there are two.
fn two_at_once() -> ConcurrencyLimit<Client> {
    ConcurrencyLimit::new(client(&tower::layer::util::Identity::new()), 2)
}

#[track_caller]
fn assert_is_free(inner: &ConcurrencyLimit<Client>) {
    assert!(task::spawn(inner.clone().ready()).poll().is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_queued_request_leaves_the_readiness_of_the_inner_service_to_others() {
    let inner = two_at_once();
    let layer = BulkheadLayer::new(1).unwrap().max_wait(secs(10));
    let (mut first, mut second) = (layer.layer(inner.clone()), layer.layer(inner.clone()));
    // Both are polled ready while there is a permit.
    assert_ready_ok!(task::spawn(first.ready()).poll());
    assert_ready_ok!(task::spawn(second.ready()).poll());
    let (_end, request) = tokio::sync::oneshot::channel();
    let in_flight = task::spawn(first.call(request));
    let (end, request) = tokio::sync::oneshot::channel();
    let mut queued = task::spawn(second.call(request));
    assert_pending!(queued.poll());
    assert_is_free(&inner);
    // It is asked again once it is its turn.
    drop(in_flight);
    end.send(7).unwrap();
    assert_eq!(assert_ready_ok!(queued.poll()), 7);
    assert_is_free(&inner);
}

#[tokio::test(start_paused = true)]
async fn a_request_for_which_the_queue_has_no_room_leaves_readiness_to_others() {
    let inner = two_at_once();
    let layer = BulkheadLayer::new(1).unwrap().max_wait(secs(10)).max_queue(0);
    let (mut first, mut second) = (layer.layer(inner.clone()), layer.layer(inner.clone()));
    assert_ready_ok!(task::spawn(first.ready()).poll());
    assert_ready_ok!(task::spawn(second.ready()).poll());
    let _in_flight = first.call(tokio::sync::oneshot::channel().1);
    let mut rejected = task::spawn(second.call(tokio::sync::oneshot::channel().1));
    assert!(assert_ready_err!(rejected.poll()).is_bulkhead_full());
    assert_is_free(&inner);
}

#[tokio::test(start_paused = true)]
async fn while_it_is_full_the_inner_service_is_not_asked() {
    let asked = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&asked);
    let inner = Steered {
        poll_ready: move |_: &mut std::task::Context<'_>| {
            counter.fetch_add(1, Ordering::Relaxed);
            Poll::Ready(Ok(()))
        },
        call: |()| pending::<Result<(), Error>>(),
    };
    let layer = BulkheadLayer::new(1).unwrap();
    let mut service = layer.layer(inner.clone());
    let in_flight = service.ready().await.unwrap().call(());
    let asked_before = asked.load(Ordering::Relaxed);
    let mut rejected = task::spawn(service.ready().await.unwrap().call(()));
    assert!(assert_ready_err!(rejected.poll()).is_bulkhead_full());
    let mut queueing = layer.clone().queue().layer(inner);
    let mut queued = task::spawn(queueing.ready().await.unwrap().call(()));
    assert_pending!(queued.poll());
    assert_eq!(asked.load(Ordering::Relaxed), asked_before);
    drop(in_flight);
    assert_pending!(queued.poll());
    assert_eq!((asked.load(Ordering::Relaxed), numbers(layer.semaphore())), (asked_before + 1, (1, 0)));
}

/// A service that is ready when it is told to be.
fn steered(
    readiness: Poll<Result<(), Error>>,
) -> impl Service<(), Response = (), Error = Error, Future = Ready<Result<(), Error>>> + Clone {
    Steered { poll_ready: move |_: &mut std::task::Context<'_>| readiness.clone(), call: |()| ready(Ok(())) }
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_comes_free_between_poll_ready_and_call_is_used() {
    for (readiness, expected) in [
        (Poll::Ready(Ok(())), Ok(())),
        (Poll::Ready(Err(Error::Service("not ready"))), Err(Error::Service("not ready"))),
        (Poll::Pending, Err(windbreak::Rejection::bulkhead_full(1).into())),
    ] {
        let layer = BulkheadLayer::new(1).unwrap();
        let in_flight = call(&client(&layer));
        let mut service = layer.layer(steered(readiness));
        assert_ready_ok!(task::spawn(service.ready()).poll());
        drop(in_flight);
        assert_eq!(service.call(()).await, expected);
        assert_eq!(numbers(layer.semaphore()), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_queued_request_that_finds_the_inner_service_broken_gives_its_permit_back() {
    let layer = BulkheadLayer::new(1).unwrap().queue();
    let in_flight = call(&client(&layer));
    let mut service = layer.layer(steered(Poll::Ready(Err(Error::Service("not ready")))));
    let mut queued = task::spawn(service.ready().await.unwrap().call(()));
    assert_pending!(queued.poll());
    drop(in_flight);
    assert_eq!(assert_ready_err!(queued.poll()), Error::Service("not ready"));
    assert_eq!(numbers(layer.semaphore()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_queued_request_holds_its_permit_while_the_inner_service_is_not_ready() {
    let layer = BulkheadLayer::new(1).unwrap().queue();
    let in_flight = call(&client(&layer));
    let mut queued = task::spawn(layer.layer(steered(Poll::Pending)).call(()));
    assert_pending!(queued.poll());
    drop(in_flight);
    assert!(queued.is_woken());
    assert_pending!(queued.poll());
    assert_eq!(numbers(layer.semaphore()), (1, 0));
    drop(queued);
    assert_eq!(numbers(layer.semaphore()), (0, 0));
}

/// Compiling it is the test.
#[tokio::test]
async fn a_service_that_is_not_clone_needs_no_queue() {
    struct NotClone;

    let not_clone = NotClone;
    let inner = service_fn(move |()| {
        let _ = &not_clone;
        ready(Ok::<_, Error>(()))
    });
    assert_eq!(BulkheadLayer::new(1).unwrap().layer(inner).oneshot(()).await, Ok(()));
}

#[test]
fn the_future_of_a_request_that_need_not_queue_is_small() {
    type Inner = tower::util::ServiceFn<fn(u64) -> Ready<Result<u64, Error>>>;
    let inner: Inner = service_fn(|number| ready(Ok(number)));
    let own = size_of::<Ready<Result<u64, Error>>>();
    let layer = BulkheadLayer::new(1).unwrap();
    assert!(size_of_val(&layer.layer(inner).call(1)) <= own + 16);
    assert!(size_of_val(&layer.queue().layer(inner).call(1)) <= own + 16);
}
