//! The bulkhead, as its users see it.

mod adaptive;
mod queue;
mod readiness;

use std::future::pending;
use std::pin::Pin;

use crate::support::{Late, secs};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use tokio::sync::oneshot;
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task};
use tower::util::ServiceFn;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use windbreak::bulkhead::Semaphore;
use windbreak::{BulkheadLayer, Rejection};

type Error = windbreak::Error<&'static str>;

/// A client that responds when the other end of the request's channel says so.
fn client<L: Layer<Client>>(layer: &L) -> L::Service {
    layer.layer(service_fn(|response| Box::pin(async move { response.await.map_err(|_| Error::Service("hung up")) })))
}

type Client = ServiceFn<fn(oneshot::Receiver<u32>) -> Responding>;
type Responding = Pin<Box<dyn Future<Output = Result<u32, Error>> + Send>>;

/// A request under way, and what ends it.
fn call<C: Service<oneshot::Receiver<u32>> + Clone>(client: &C) -> (oneshot::Sender<u32>, task::Spawn<C::Future>) {
    let (end, request) = oneshot::channel();
    (end, task::spawn(client.clone().call(request)))
}

fn numbers(semaphore: &Semaphore) -> (usize, usize) {
    (semaphore.in_flight(), semaphore.queued())
}

#[tokio::test(start_paused = true)]
async fn the_65th_request_is_rejected_at_once() {
    let layer = BulkheadLayer::new(64).unwrap();
    let client = client(&layer);
    let mut under_way: Vec<_> = (0..64).map(|_| call(&client)).collect();
    for (_, response) in &mut under_way {
        assert_pending!(response.poll());
    }
    assert_eq!(numbers(layer.semaphore()), (64, 0));
    let error = assert_ready_err!(call(&client).1.poll());
    assert!(matches!(error, Error::Rejected(Rejection::BulkheadFull { limit: 64, .. })));
    assert!(error.is_bulkhead_full());
    assert_eq!(error.rejection().unwrap().to_string(), "the limit of 64 requests in flight is reached");
}

#[tokio::test(start_paused = true)]
async fn a_response_gives_the_permit_back_before_its_future_is_dropped() {
    let layer = BulkheadLayer::new(1).unwrap();
    let client = client(&layer);
    let (end, mut response) = call(&client);
    assert_pending!(response.poll());
    end.send(7).unwrap();
    assert_eq!(assert_ready_ok!(response.poll()), 7);
    assert_eq!(numbers(layer.semaphore()), (0, 0));
    assert_pending!(call(&client).1.poll());
}

#[tokio::test(start_paused = true)]
async fn an_error_gives_the_permit_back() {
    let layer = BulkheadLayer::new(1).unwrap();
    let client = client(&layer);
    let (end, mut response) = call(&client);
    drop(end);
    assert_eq!(assert_ready_err!(response.poll()), Error::Service("hung up"));
    assert_eq!(numbers(layer.semaphore()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_request_gives_its_permit_back_polled_or_not() {
    let layer = BulkheadLayer::new(1).unwrap();
    let client = client(&layer);
    let (_, never_polled) = call(&client);
    assert_eq!(numbers(layer.semaphore()), (1, 0));
    drop(never_polled);
    assert_eq!(numbers(layer.semaphore()), (0, 0));
    let (_end, mut polled) = call(&client);
    assert_pending!(polled.poll());
    drop(polled);
    assert_eq!(numbers(layer.semaphore()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_inner_future_gives_the_permit_back() {
    let layer = BulkheadLayer::new(1).unwrap();
    let client = ServiceBuilder::new().layer(layer.clone()).service(service_fn(|()| async {
        tokio::task::yield_now().await;
        assert!(pending_is_ready(), "the inner future panics");
        Ok::<_, Error>(())
    }));
    assert!(tokio::spawn(client.oneshot(())).await.unwrap_err().is_panic());
    assert_eq!(numbers(layer.semaphore()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_inner_call_gives_the_permit_back_queued_or_not() {
    let layer = BulkheadLayer::new(1).unwrap().max_wait(secs(1));
    let panics = ServiceBuilder::new().layer(layer.clone()).service(service_fn(|()| {
        assert!(pending_is_ready(), "the inner call panics");
        pending::<Result<(), Error>>()
    }));
    assert!(tokio::spawn(panics.clone().oneshot(())).await.unwrap_err().is_panic());
    assert_eq!(numbers(layer.semaphore()), (0, 0));

    let (end, mut in_flight) = call(&client(&layer));
    let queued = tokio::spawn(panics.oneshot(()));
    tokio::task::yield_now().await;
    assert_eq!(numbers(layer.semaphore()), (1, 1));
    end.send(7).unwrap();
    assert_ready_ok!(in_flight.poll());
    assert!(queued.await.unwrap_err().is_panic());
    assert_eq!(numbers(layer.semaphore()), (0, 0));
}

/// False, which the compiler does not know.
fn pending_is_ready() -> bool {
    task::spawn(pending::<()>()).poll().is_ready()
}

#[tokio::test(start_paused = true)]
async fn an_idle_clone_that_was_polled_ready_holds_no_permit() {
    let layer = BulkheadLayer::new(1).unwrap();
    let mut idle = client(&layer);
    idle.ready().await.unwrap();
    assert_eq!(numbers(layer.semaphore()), (0, 0));
    let busy = client(&layer);
    assert_pending!(call(&busy).1.poll());
}

#[tokio::test(start_paused = true)]
async fn all_services_of_a_layer_and_its_clones_share_its_permits() {
    let layer = BulkheadLayer::new(1).unwrap();
    let (one, other) = (client(&layer), client(&layer.clone()));
    let _under_way = call(&one);
    assert!(assert_ready_err!(call(&other).1.poll()).is_bulkhead_full());
}

#[tokio::test(start_paused = true)]
async fn a_larger_limit_admits_queued_requests_up_to_it() {
    let layer = BulkheadLayer::new(1).unwrap().max_wait(secs(10));
    let semaphore = layer.semaphore();
    let client = client(&layer);
    let mut calls: Vec<_> = (0..5).map(|_| call(&client)).collect();
    for (_, response) in &mut calls {
        assert_pending!(response.poll());
    }
    semaphore.resize(3).unwrap();
    assert_eq!((semaphore.limit(), numbers(semaphore)), (3, (3, 2)));
    let woken: Vec<_> = calls.iter_mut().map(|(_, response)| response.is_woken()).collect();
    assert_eq!(woken, [false, true, true, false, false]);
}

#[tokio::test(start_paused = true)]
async fn a_smaller_limit_lets_requests_in_flight_finish() {
    let layer = BulkheadLayer::new(3).unwrap();
    let semaphore = layer.semaphore();
    let client = client(&layer);
    let mut calls: Vec<_> = (0..3).map(|_| call(&client)).collect();
    semaphore.resize(1).unwrap();
    assert_eq!((semaphore.limit(), numbers(semaphore)), (1, (3, 0)));
    for left in [2, 1] {
        let (end, mut response) = calls.remove(0);
        end.send(7).unwrap();
        assert_eq!(assert_ready_ok!(response.poll()), 7);
        assert_eq!(semaphore.in_flight(), left);
        assert!(assert_ready_err!(call(&client).1.poll()).is_bulkhead_full());
    }
    calls.clear();
    assert_pending!(call(&client).1.poll());
}

#[tokio::test(start_paused = true)]
async fn while_too_many_are_in_flight_a_permit_given_back_admits_nobody() {
    let layer = BulkheadLayer::new(2).unwrap().max_wait(secs(10));
    let client = client(&layer);
    let (first, second, (_end, mut queued)) = (call(&client), call(&client), call(&client));
    assert_pending!(queued.poll());
    layer.semaphore().resize(1).unwrap();
    drop(first);
    assert_eq!(numbers(layer.semaphore()), (1, 1));
    assert!(!queued.is_woken());
    drop(second);
    assert_eq!(numbers(layer.semaphore()), (1, 0));
    assert!(queued.is_woken());
}

#[tokio::test(start_paused = true)]
async fn until_body_end_holds_the_permit_until_the_body_has_ended_or_was_dropped() {
    let until_head = BulkheadLayer::new(1).unwrap();
    let until_body_end = until_head.clone().until_body_end();
    let semaphore = until_head.semaphore();
    let upstream =
        service_fn(|request: Request<_>| async { Ok::<_, Error>(Response::new(Late::new(request.into_body()))) });
    let (head, body) = (until_head.layer(upstream), until_body_end.layer(upstream));

    let (_sender, frame) = oneshot::channel();
    let _response = head.oneshot(Request::new(frame)).await.unwrap();
    assert_eq!(semaphore.in_flight(), 0);

    let (_sender, frame) = oneshot::channel();
    let response = body.clone().oneshot(Request::new(frame)).await.unwrap();
    assert_eq!(semaphore.in_flight(), 1);
    drop(response);
    assert_eq!(semaphore.in_flight(), 0);

    let (sender, frame) = oneshot::channel();
    let mut response = body.oneshot(Request::new(frame)).await.unwrap();
    sender.send("all of it").unwrap();
    let whole = response.body_mut().collect().await.unwrap().to_bytes();
    assert_eq!((whole.as_ref(), semaphore.in_flight()), (&b"all of it"[..], 0));
}

#[tokio::test(start_paused = true)]
async fn a_sibling_follows_the_same_rules_and_has_permits_of_its_own() {
    let layer = BulkheadLayer::new(1).unwrap().max_wait(secs(1)).max_queue(1);
    let sibling = layer.sibling();
    let (one, other) = (client(&layer), client(&sibling));
    let _busy = [call(&one), call(&one)];
    assert_eq!(numbers(sibling.semaphore()), (0, 0));
    let _busy_too = [call(&other), call(&other)];
    assert_eq!(numbers(sibling.semaphore()), (1, 1));
    assert!(assert_ready_err!(call(&other).1.poll()).is_bulkhead_full());
}

#[test]
fn a_bulkhead_needs_a_runtime_only_where_a_wait_is_bounded() {
    let layer = BulkheadLayer::new(1).unwrap();
    let client = client(&layer);
    let (end, mut response) = call(&client);
    assert!(assert_ready_err!(call(&client).1.poll()).is_bulkhead_full());
    end.send(7).unwrap();
    assert_eq!(assert_ready_ok!(response.poll()), 7);
}
