//! The bulkhead, as its users see it.

use std::future::pending;
use std::time::Duration;

use crate::support::{Late, millis, secs, starved_at_first};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use tokio::sync::oneshot;
use tokio::time::{Instant, advance, sleep};
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use windbreak::bulkhead::Semaphore;
use windbreak::{BulkheadLayer, Rejection};

type Error = windbreak::Error<&'static str>;

/// A client that answers when the other end of the request's channel says so.
fn client(
    layer: &BulkheadLayer,
) -> impl Service<oneshot::Receiver<u32>, Response = u32, Error = Error, Future: Send> + Clone + Send + use<> {
    ServiceBuilder::new()
        .layer(layer.clone())
        .map_err(Error::Service)
        .service(service_fn(|answer: oneshot::Receiver<u32>| async move { answer.await.map_err(|_| "hung up") }))
}

/// A request under way, and what ends it.
fn call<C: Service<oneshot::Receiver<u32>> + Clone>(client: &C) -> (oneshot::Sender<u32>, task::Spawn<C::Future>) {
    let (end, request) = oneshot::channel();
    (end, task::spawn(client.clone().call(request)))
}

fn numbers(places: &Semaphore) -> (usize, usize) {
    (places.in_flight(), places.queued())
}

#[tokio::test(start_paused = true)]
async fn the_65th_request_is_rejected_at_once() {
    let layer = BulkheadLayer::new(64).unwrap();
    let client = client(&layer);
    let mut under_way: Vec<_> = (0..64).map(|_| call(&client)).collect();
    for (_, response) in &mut under_way {
        assert_pending!(response.poll());
    }
    assert_eq!(numbers(&layer.semaphore()), (64, 0));
    let error = assert_ready_err!(call(&client).1.poll());
    assert!(matches!(error, Error::Rejected(Rejection::BulkheadFull { limit: 64, .. })));
    assert!(error.is_bulkhead_full());
    assert_eq!(error.rejection().unwrap().to_string(), "the limit of 64 requests in flight is reached");
}

#[tokio::test(start_paused = true)]
async fn an_answer_gives_the_place_back_before_its_future_is_dropped() {
    let layer = BulkheadLayer::new(1).unwrap();
    let client = client(&layer);
    let (end, mut response) = call(&client);
    assert_pending!(response.poll());
    end.send(7).unwrap();
    assert_eq!(assert_ready_ok!(response.poll()), 7);
    assert_eq!(numbers(&layer.semaphore()), (0, 0));
    assert_pending!(call(&client).1.poll());
}

#[tokio::test(start_paused = true)]
async fn an_error_gives_the_place_back() {
    let layer = BulkheadLayer::new(1).unwrap();
    let client = client(&layer);
    let (end, mut response) = call(&client);
    drop(end);
    assert_eq!(assert_ready_err!(response.poll()), Error::Service("hung up"));
    assert_eq!(numbers(&layer.semaphore()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_request_gives_its_place_back_polled_or_not() {
    let layer = BulkheadLayer::new(1).unwrap();
    let client = client(&layer);
    let (_, never_polled) = call(&client);
    assert_eq!(numbers(&layer.semaphore()), (1, 0));
    drop(never_polled);
    assert_eq!(numbers(&layer.semaphore()), (0, 0));
    let (_end, mut polled) = call(&client);
    assert_pending!(polled.poll());
    drop(polled);
    assert_eq!(numbers(&layer.semaphore()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_inner_future_gives_the_place_back() {
    let layer = BulkheadLayer::new(1).unwrap();
    let client = ServiceBuilder::new().layer(layer.clone()).service(service_fn(|()| async {
        tokio::task::yield_now().await;
        assert!(pending_is_ready(), "the inner future panics");
        Ok::<_, Error>(())
    }));
    assert!(tokio::spawn(client.oneshot(())).await.unwrap_err().is_panic());
    assert_eq!(numbers(&layer.semaphore()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_inner_call_gives_the_place_back_queued_or_not() {
    let layer = BulkheadLayer::new(1).unwrap().max_wait(secs(1));
    let panics = ServiceBuilder::new().layer(layer.clone()).service(service_fn(|()| {
        assert!(pending_is_ready(), "the inner call panics");
        pending::<Result<(), Error>>()
    }));
    assert!(tokio::spawn(panics.clone().oneshot(())).await.unwrap_err().is_panic());
    assert_eq!(numbers(&layer.semaphore()), (0, 0));

    let (end, mut in_flight) = call(&client(&layer));
    let queued = tokio::spawn(panics.oneshot(()));
    tokio::task::yield_now().await;
    assert_eq!(numbers(&layer.semaphore()), (1, 1));
    end.send(7).unwrap();
    assert_ready_ok!(in_flight.poll());
    assert!(queued.await.unwrap_err().is_panic());
    assert_eq!(numbers(&layer.semaphore()), (0, 0));
}

/// False, which the compiler does not know.
fn pending_is_ready() -> bool {
    task::spawn(pending::<()>()).poll().is_ready()
}

#[tokio::test(start_paused = true)]
async fn an_idle_clone_that_was_polled_ready_holds_no_place() {
    let layer = BulkheadLayer::new(1).unwrap();
    let mut idle = client(&layer);
    idle.ready().await.unwrap();
    assert_eq!(numbers(&layer.semaphore()), (0, 0));
    let busy = client(&layer);
    assert_pending!(call(&busy).1.poll());
}

#[tokio::test(start_paused = true)]
async fn all_services_of_a_layer_and_its_clones_share_its_places() {
    let layer = BulkheadLayer::new(1).unwrap();
    let (one, other) = (client(&layer), client(&layer.clone()));
    let _under_way = call(&one);
    assert!(assert_ready_err!(call(&other).1.poll()).is_bulkhead_full());
}

#[tokio::test(start_paused = true)]
async fn requests_are_let_in_in_the_order_in_which_they_were_called() {
    let layer = BulkheadLayer::new(1).unwrap().max_wait(secs(10));
    let client = client(&layer);
    let mut calls: Vec<_> = (0..5).map(|_| call(&client)).collect();
    // In which order they are polled does not matter.
    for (_, response) in calls.iter_mut().rev() {
        assert_pending!(response.poll());
    }
    assert_eq!(numbers(&layer.semaphore()), (1, 4));
    while !calls.is_empty() {
        for (_, behind) in &mut calls[1..] {
            assert!(!behind.is_woken());
        }
        let (end, mut first) = calls.remove(0);
        end.send(7).unwrap();
        assert_eq!(assert_ready_ok!(first.poll()), 7);
        if let Some((_, next)) = calls.first_mut() {
            assert!(next.is_woken());
            assert_pending!(next.poll());
        }
        assert_eq!(numbers(&layer.semaphore()), (calls.len().min(1), calls.len().saturating_sub(1)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_does_not_overtake_the_queue() {
    let layer = BulkheadLayer::new(1).unwrap().max_wait(secs(10));
    let client = client(&layer);
    let (end, in_flight) = call(&client);
    let (_end, mut queued) = call(&client);
    assert_pending!(queued.poll());
    drop((end, in_flight));
    // The place is free, and the queued request has not been polled since.
    let (newcomers_end, mut newcomer) = call(&client);
    newcomers_end.send(7).unwrap();
    assert_pending!(newcomer.poll());
    drop(queued);
    assert_eq!(assert_ready_ok!(newcomer.poll()), 7);
}

#[tokio::test(start_paused = true)]
async fn the_queue_is_bounded_by_max_queue() {
    let layer = BulkheadLayer::new(1).unwrap().max_wait(secs(10)).max_queue(2);
    let client = client(&layer);
    let _in_flight = call(&client);
    let (_, first) = call(&client);
    let (_, _second) = call(&client);
    let error = assert_ready_err!(call(&client).1.poll());
    assert!(matches!(error, Error::Rejected(Rejection::BulkheadFull { limit: 1, .. })));
    drop(first);
    assert_pending!(call(&client).1.poll());
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_in_a_queue_of_none() {
    let layer = BulkheadLayer::new(1).unwrap().max_wait(secs(10)).max_queue(0);
    let client = client(&layer);
    let in_flight = call(&client);
    assert!(assert_ready_err!(call(&client).1.poll()).is_bulkhead_full());
    drop(in_flight);
    assert_pending!(call(&client).1.poll());
}

#[tokio::test(start_paused = true)]
async fn by_default_as_many_may_wait_as_come() {
    let layer = BulkheadLayer::new(1).unwrap().max_wait(secs(10));
    let client = client(&layer);
    let _calls: Vec<_> = (0..10_001).map(|_| call(&client)).collect();
    assert_eq!(numbers(&layer.semaphore()), (1, 10_000));
}

#[tokio::test(start_paused = true)]
async fn to_wait_in_vain_is_another_rejection_than_to_find_the_bulkhead_full() {
    let layer = BulkheadLayer::new(1).unwrap().max_wait(millis(100));
    let client = client(&layer);
    let (_end, _in_flight) = call(&client);
    let start = Instant::now();
    let (_, queued) = call(&client);
    let error = queued.await.unwrap_err();
    assert_eq!(start.elapsed(), millis(100));
    let Error::Rejected(Rejection::BulkheadTimeout { limit: 1, max_wait, .. }) = error else { panic!("{error:?}") };
    assert_eq!(max_wait, millis(100));
    assert!(error.is_bulkhead_full() && !error.is_timeout());
    assert_eq!(error.rejection().unwrap().to_string(), "the limit of 1 request in flight was reached for 100ms");
    assert_eq!(numbers(&layer.semaphore()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_place_that_comes_free_at_the_last_moment_is_taken() {
    let layer = BulkheadLayer::new(1).unwrap().max_wait(secs(1));
    let client = client(&layer);
    let in_flight = call(&client);
    let (end, mut queued) = call(&client);
    assert_pending!(queued.poll());
    advance(secs(1)).await;
    drop(in_flight);
    end.send(7).unwrap();
    assert_eq!(assert_ready_ok!(queued.poll()), 7);
}

#[tokio::test(start_paused = true)]
async fn a_place_that_comes_free_at_the_last_moment_is_taken_also_by_a_task_without_budget() {
    let layer = BulkheadLayer::new(1).unwrap().max_wait(secs(1));
    let client = client(&layer);
    let in_flight = call(&client);
    let (end, mut queued) = call(&client);
    assert_pending!(queued.poll());
    advance(secs(1)).await;
    drop(in_flight);
    end.send(7).unwrap();
    assert_eq!(starved_at_first(queued).await, Ok(7));
}

#[tokio::test(start_paused = true)]
async fn a_wait_beyond_the_clock_never_ends() {
    let layer = BulkheadLayer::new(1).unwrap().max_wait(Duration::MAX);
    let client = client(&layer);
    let in_flight = call(&client);
    let (end, mut queued) = call(&client);
    assert_pending!(queued.poll());
    advance(secs(365 * 24 * 60 * 60)).await;
    assert_pending!(queued.poll());
    drop(in_flight);
    end.send(7).unwrap();
    assert_eq!(assert_ready_ok!(queued.poll()), 7);
}

#[tokio::test(start_paused = true)]
async fn only_the_wait_for_a_place_is_bounded() {
    let layer = BulkheadLayer::new(1).unwrap().max_wait(millis(100));
    let client = ServiceBuilder::new().layer(layer).service(service_fn(|wait: Duration| async move {
        sleep(wait).await;
        Ok::<_, Error>(())
    }));
    let (first, second) = tokio::join!(client.clone().oneshot(millis(90)), client.clone().oneshot(secs(60)));
    assert_eq!((first, second), (Ok(()), Ok(())));
}

#[tokio::test(start_paused = true)]
async fn to_drop_a_queued_request_leaves_the_queue() {
    let layer = BulkheadLayer::new(1).unwrap().max_wait(secs(10));
    let client = client(&layer);
    let in_flight = call(&client);
    let (_, mut leaves) = call(&client);
    let (end, mut stays) = call(&client);
    assert_pending!(leaves.poll());
    assert_pending!(stays.poll());
    drop(leaves);
    assert_eq!(numbers(&layer.semaphore()), (1, 1));
    drop(in_flight);
    end.send(7).unwrap();
    assert_eq!(assert_ready_ok!(stays.poll()), 7);
}

#[tokio::test(start_paused = true)]
async fn a_place_given_to_a_request_that_is_dropped_goes_to_the_next() {
    let layer = BulkheadLayer::new(1).unwrap().max_wait(secs(10));
    let client = client(&layer);
    let in_flight = call(&client);
    let (_, mut leaves) = call(&client);
    let (end, mut next) = call(&client);
    assert_pending!(leaves.poll());
    assert_pending!(next.poll());
    drop(in_flight);
    assert!(leaves.is_woken() && !next.is_woken());
    drop(leaves);
    assert!(next.is_woken());
    end.send(7).unwrap();
    assert_eq!(assert_ready_ok!(next.poll()), 7);
    assert_eq!(numbers(&layer.semaphore()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn to_resize_up_lets_in_those_who_wait_as_far_as_there_is_room() {
    let layer = BulkheadLayer::new(1).unwrap().max_wait(secs(10));
    let places = layer.semaphore();
    let client = client(&layer);
    let mut calls: Vec<_> = (0..5).map(|_| call(&client)).collect();
    for (_, response) in &mut calls {
        assert_pending!(response.poll());
    }
    places.resize(3).unwrap();
    assert_eq!((places.limit(), numbers(&places)), (3, (3, 2)));
    let woken: Vec<_> = calls.iter_mut().map(|(_, response)| response.is_woken()).collect();
    assert_eq!(woken, [false, true, true, false, false]);
}

#[tokio::test(start_paused = true)]
async fn to_resize_down_lets_those_in_flight_finish() {
    let layer = BulkheadLayer::new(3).unwrap();
    let places = layer.semaphore();
    let client = client(&layer);
    let mut calls: Vec<_> = (0..3).map(|_| call(&client)).collect();
    places.resize(1).unwrap();
    assert_eq!((places.limit(), numbers(&places)), (1, (3, 0)));
    for left in [2, 1] {
        let (end, mut response) = calls.remove(0);
        end.send(7).unwrap();
        assert_eq!(assert_ready_ok!(response.poll()), 7);
        assert_eq!(places.in_flight(), left);
        assert!(assert_ready_err!(call(&client).1.poll()).is_bulkhead_full());
    }
    calls.clear();
    assert_pending!(call(&client).1.poll());
}

#[tokio::test(start_paused = true)]
async fn while_too_many_are_in_flight_a_place_given_back_lets_nobody_in() {
    let layer = BulkheadLayer::new(2).unwrap().max_wait(secs(10));
    let client = client(&layer);
    let (first, second, (_end, mut queued)) = (call(&client), call(&client), call(&client));
    assert_pending!(queued.poll());
    layer.semaphore().resize(1).unwrap();
    drop(first);
    assert_eq!(numbers(&layer.semaphore()), (1, 1));
    assert!(!queued.is_woken());
    drop(second);
    assert_eq!(numbers(&layer.semaphore()), (1, 0));
    assert!(queued.is_woken());
}

#[tokio::test(start_paused = true)]
async fn a_place_is_held_until_the_body_has_ended_or_was_dropped_if_asked_for() {
    let until_head = BulkheadLayer::new(1).unwrap();
    let until_body_end = until_head.clone().until_body_end();
    let places = until_head.semaphore();
    let callee =
        service_fn(|request: Request<_>| async { Ok::<_, Error>(Response::new(Late::new(request.into_body()))) });
    let (head, body) = (until_head.layer(callee), until_body_end.layer(callee));

    let (_sender, frame) = oneshot::channel();
    let _response = head.oneshot(Request::new(frame)).await.unwrap();
    assert_eq!(places.in_flight(), 0);

    let (_sender, frame) = oneshot::channel();
    let response = body.clone().oneshot(Request::new(frame)).await.unwrap();
    assert_eq!(places.in_flight(), 1);
    drop(response);
    assert_eq!(places.in_flight(), 0);

    let (sender, frame) = oneshot::channel();
    let mut response = body.oneshot(Request::new(frame)).await.unwrap();
    sender.send("all of it").unwrap();
    let whole = response.body_mut().collect().await.unwrap().to_bytes();
    assert_eq!((whole.as_ref(), places.in_flight()), (&b"all of it"[..], 0));
}

#[tokio::test(start_paused = true)]
async fn a_sibling_follows_the_same_rules_and_has_places_of_its_own() {
    let layer = BulkheadLayer::new(1).unwrap().max_wait(secs(1)).max_queue(1);
    let sibling = layer.sibling();
    let (one, other) = (client(&layer), client(&sibling));
    let _busy = [call(&one), call(&one)];
    assert_eq!(numbers(&sibling.semaphore()), (0, 0));
    let _busy_too = [call(&other), call(&other)];
    assert_eq!(numbers(&sibling.semaphore()), (1, 1));
    assert!(assert_ready_err!(call(&other).1.poll()).is_bulkhead_full());
}

#[test]
fn a_bulkhead_needs_a_runtime_only_where_somebody_queues() {
    let layer = BulkheadLayer::new(1).unwrap();
    let client = client(&layer);
    let (end, mut response) = call(&client);
    assert!(assert_ready_err!(call(&client).1.poll()).is_bulkhead_full());
    end.send(7).unwrap();
    assert_eq!(assert_ready_ok!(response.poll()), 7);
}

#[test]
#[should_panic(expected = "runtime")]
fn to_queue_panics_without_a_runtime() {
    let layer = BulkheadLayer::new(1).unwrap().max_wait(secs(1));
    let client = client(&layer);
    let _in_flight = call(&client);
    let _ = call(&client).1.poll();
}
