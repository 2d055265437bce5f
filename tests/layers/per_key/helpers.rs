//! The clients of these tests have a layer for each key, and are asked in a few words.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tower::{ServiceBuilder, ServiceExt, service_fn};
use windbreak::rules::ErrorsOnly;
use windbreak::{Circuit, CircuitBreakerLayer, Error, PerKeyLayer, Rejection};

pub(super) type Client = tower::util::BoxCloneService<u32, u32, Error<&'static str>>;

/// A client whose keys are the last digit, with a counter of the layers that were made. Even digits are down.
pub(super) fn client(max_keys: usize, max_idle: Duration) -> (Client, Arc<AtomicUsize>) {
    let rules = Circuit::builder("rules").count_window(10).minimum_calls(1).open_for(Duration::MAX);
    let rules = rules.build().expect("valid");
    let made = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&made);
    let layer = PerKeyLayer::new(
        max_keys,
        |request: &u32| request % 10,
        move |key| {
            counter.fetch_add(1, Ordering::Relaxed);
            CircuitBreakerLayer::new(rules.sibling(format!("digit {key}")), ErrorsOnly)
        },
    );
    let client = ServiceBuilder::new()
        .layer(layer.expect("valid").max_idle(max_idle))
        .map_err(Error::Service)
        .service(service_fn(|request: u32| async move { if request % 2 == 0 { Err("down") } else { Ok(request) } }));
    (client.boxed_clone(), made)
}

/// The name of the circuit that rejected a request.
pub(super) fn open_circuit(error: &Error<&'static str>) -> String {
    match error.rejection() {
        Some(Rejection::CircuitOpen { name, .. }) => name.to_string(),
        other => panic!("{other:?}"),
    }
}

pub(super) async fn ask(client: &Client, request: u32) -> Result<u32, Error<&'static str>> {
    client.clone().oneshot(request).await
}

/// A circuit for each key that opens at the first failure, for `open_for`. Odd keys are well.
pub(super) fn breakers(max_keys: usize, open_for: Duration) -> Breakers {
    let rules = Circuit::builder("rules").count_window(10).minimum_calls(1).open_for(open_for).build().expect("valid");
    let circuit = move |key: &u32| CircuitBreakerLayer::new(rules.sibling(format!("{key}")), ErrorsOnly);
    PerKeyLayer::new(max_keys, (|key: &u32| *key) as fn(&u32) -> u32, Box::new(circuit) as _).expect("valid")
}

pub(super) type Breakers = PerKeyLayer<
    u32,
    CircuitBreakerLayer<ErrorsOnly>,
    fn(&u32) -> u32,
    Box<dyn Fn(&u32) -> CircuitBreakerLayer<ErrorsOnly> + Send + Sync>,
>;

pub(super) fn odd_is_well(layer: &Breakers) -> Client {
    let answer = |key: u32| async move { if key % 2 == 0 { Err("down") } else { Ok(key) } };
    ServiceBuilder::new().layer(layer.clone()).map_err(Error::Service).service(service_fn(answer)).boxed_clone()
}

pub(super) fn echo() -> tower::util::ServiceFn<fn(u32) -> std::future::Ready<Result<u32, Error<&'static str>>>> {
    service_fn(|request| std::future::ready(Ok(request)))
}
