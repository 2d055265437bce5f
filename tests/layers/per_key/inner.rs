//! Services around different inner services share the layers, and wait until the inner service is ready.

use std::sync::Arc;
use std::task::Poll;

use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
use windbreak::{BulkheadLayer, Error, PerKeyLayer};

use super::helpers::echo;

#[tokio::test]
async fn services_around_different_inner_services_share_the_layers() {
    let bulkhead = BulkheadLayer::new(1).unwrap();
    let layer = PerKeyLayer::new(10, |_: &u32| "host", move |_| bulkhead.sibling()).unwrap();
    let answers = |answer: u32| {
        service_fn(move |request: u32| async move {
            if request == 0 {
                std::future::pending::<()>().await;
            }
            Ok::<_, Error<&'static str>>(answer)
        })
    };
    let one = ServiceBuilder::new().layer(layer.clone()).service(answers(1));
    let mut two = ServiceBuilder::new().layer(layer.clone()).service(answers(2));
    assert_eq!((one.clone().oneshot(7).await, two.clone().oneshot(7).await), (Ok(1), Ok(2)));
    let mut hangs = tokio_test::task::spawn(one.clone().oneshot(0));
    assert!(hangs.poll().is_pending());
    assert!(two.clone().oneshot(7).await.unwrap_err().is_bulkhead_full());
    drop(hangs);
    assert_eq!((one.clone().oneshot(7).await, two.clone().oneshot(7).await), (Ok(1), Ok(2)));

    // Who is given another inner service uses it.
    *two.get_mut() = answers(3);
    assert_eq!((two.clone().oneshot(7).await, one.oneshot(7).await), (Ok(3), Ok(1)));
    assert_eq!(layer.keys(), 1);
}

#[tokio::test]
async fn what_an_inner_service_reserved_for_nobody_is_given_back() {
    let layer = PerKeyLayer::new(10, |key: &u32| *key, |_| BulkheadLayer::new(9).expect("valid")).unwrap();
    let inner = ServiceBuilder::new().concurrency_limit(1).service(echo());
    let mut client = ServiceBuilder::new().layer(layer).service(inner);
    for key in 0..3 {
        let mut response = tokio_test::task::spawn(client.ready().await.unwrap().call(key));
        assert_eq!(response.poll(), Poll::Ready(Ok(key)));
    }
}

#[tokio::test]
async fn readiness_of_the_inner_service_is_awaited() {
    let (mock, handle) = gated();
    let layer = PerKeyLayer::new(10, |_: &u32| (), |()| BulkheadLayer::new(1).expect("valid")).unwrap();
    let mut client = ServiceBuilder::new().layer(layer).service(mock);
    // Ready at once: it is the service of the key that has to be.
    let mut response = tokio_test::task::spawn(client.ready().await.unwrap().call(7));
    assert!(response.poll().is_pending());
    handle.notify_one();
    assert_eq!(response.await.unwrap(), 7);
}

/// A service that is ready once it is told so.
fn gated() -> (Gated, Arc<tokio::sync::Notify>) {
    let gate = Arc::new(tokio::sync::Notify::new());
    (Gated { gate: Arc::clone(&gate), open: false, waiting: None }, gate)
}

struct Gated {
    gate: Arc<tokio::sync::Notify>,
    open: bool,
    waiting: Option<std::pin::Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Clone for Gated {
    fn clone(&self) -> Self {
        Self { gate: Arc::clone(&self.gate), open: false, waiting: None }
    }
}

impl Service<u32> for Gated {
    type Response = u32;
    type Error = Error<&'static str>;
    type Future = std::future::Ready<Result<u32, Self::Error>>;

    fn poll_ready(&mut self, cx: &mut std::task::Context<'_>) -> Poll<Result<(), Self::Error>> {
        if self.open {
            return Poll::Ready(Ok(()));
        }
        let gate = Arc::clone(&self.gate);
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(async move { gate.notified().await }));
        std::task::ready!(waiting.as_mut().poll(cx));
        self.open = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u32) -> Self::Future {
        assert!(std::mem::take(&mut self.open), "called without being ready");
        std::future::ready(Ok(request))
    }
}
