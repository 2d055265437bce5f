//! How large futures and services are. They are moved with every request, and what is added to them costs each one, so
//! they grow only on purpose: each bound is what it was when it was set, or a few
//! per cent more.

use std::time::Duration;

use http::{Request, Response};
use tower::{Layer, Service, ServiceBuilder, service_fn};
use windbreak::http::Http;
use windbreak::rate_limit::Rate;
use windbreak::rules::ErrorsOnly;
use windbreak::{
    BulkheadLayer, Circuit, CircuitBreakerLayer, DeadLetterLayer, Error, FallbackLayer, HedgeLayer, RateLimitLayer,
    RetryLayer, RetryPolicy, TimeoutLayer, Verified, VerifyLayer,
};

type Answer = std::future::Ready<Result<u64, Error<std::io::Error>>>;
type Upstream = tower::util::ServiceFn<fn(u64) -> Answer>;

const LIMIT: Duration = Duration::from_secs(60);

fn upstream() -> Upstream {
    service_fn(|request| std::future::ready(Ok(request)))
}

fn retry<R>(rules: R) -> RetryLayer<R> {
    RetryLayer::new(RetryPolicy::builder().build().expect("valid"), rules)
}

fn breaker<R>(rules: R) -> CircuitBreakerLayer<R> {
    CircuitBreakerLayer::new(Circuit::builder("upstream").build().expect("valid"), rules)
}

fn bulkhead() -> BulkheadLayer {
    BulkheadLayer::new(64).expect("valid")
}

/// Of the future of a call, and of the service.
fn sizes<S: Service<u64>>(mut service: S) -> (usize, usize) {
    (size_of_val(&service.call(1)), size_of::<S>())
}

/// What the layer adds to the future of a call, and to the service.
fn added<L>(layer: &L) -> (usize, usize)
where
    L: Layer<Upstream>,
    L::Service: Service<u64>,
{
    let (future, service) = sizes(layer.layer(upstream()));
    let (bare_future, bare_service) = sizes(upstream());
    (future - bare_future, service - bare_service)
}

#[test]
fn five_layers_over_a_number_make_a_future_of_264_bytes_at_most() {
    let five = ServiceBuilder::new()
        .layer(FallbackLayer::value(0, ErrorsOnly))
        .layer(TimeoutLayer::new(LIMIT))
        .layer(retry(ErrorsOnly))
        .layer(breaker(ErrorsOnly))
        .layer(bulkhead())
        .map_err(Error::Service)
        .service_fn(|request: u64| std::future::ready(Ok::<_, std::fmt::Error>(request)));
    let (future, service) = sizes(five);
    println!("five: a future of {future} bytes, a service of {service}");
    assert!(future <= 264, "{future}");
    assert!(service <= 128, "{service}");
}

#[test]
fn five_layers_over_http_types_make_a_future_of_496_bytes_at_most() {
    let upstream = service_fn(|_: Request<String>| {
        let response = Response::new(String::new());
        Box::pin(std::future::ready(Ok::<_, Error<std::io::Error>>(response)))
    });
    let mut five = ServiceBuilder::new()
        .layer(FallbackLayer::function(|result| result, Http))
        .layer(TimeoutLayer::new(LIMIT))
        .layer(retry(Http))
        .layer(breaker(Http))
        .layer(bulkhead())
        .service(upstream);
    let future = size_of_val(&five.call(Request::new(String::new())));
    println!("five over http types: a future of {future} bytes");
    assert!(future <= 496, "{future}");
}

#[test]
fn each_layer_adds_what_it_needs_and_no_more() {
    let ask = |_: u64, _| std::future::ready(Ok::<_, std::io::Error>(Verified::Unknown));
    let every = || ErrorsOnly.idempotent(|_: &u64| true);
    let rate = Rate::per_second(50).burst(10).unwrap();
    let (sink, _letters) = tokio::sync::mpsc::channel(1);
    let table = [
        ("fallback", added(&FallbackLayer::value(0, ErrorsOnly)), (16, 16)),
        ("timeout", added(&TimeoutLayer::new(LIMIT)), (136, 24)),
        ("retry", added(&retry(ErrorsOnly)), (48, 24)),
        ("circuit breaker", added(&breaker(ErrorsOnly)), (32, 40)),
        ("bulkhead", added(&bulkhead()), (8, 24)),
        ("bulkhead with a queue", added(&bulkhead().queue()), (8, 48)),
        ("rate limit", added(&RateLimitLayer::new(rate)), (24, 32)),
        ("hedge", added(&HedgeLayer::after(LIMIT, every())), (160, 24)),
        ("verify", added(&VerifyLayer::new(ErrorsOnly, ask)), (32, 16)),
        ("dead letter", added(&DeadLetterLayer::new(ErrorsOnly, sink)), (40, 16)),
    ];
    for (name, (future, service), (most_future, most_service)) in table {
        println!("{name}: adds {future} bytes to a future, {service} to a service");
        assert!(future <= most_future, "{name}: {future} bytes are added to a future");
        assert!(service <= most_service, "{name}: {service} bytes are added to a service");
    }
}
