//! The keys by which a server recognises a repeat: those that the layer makes, those it takes from the request, and those
//! that are none.

use std::collections::HashSet;
use std::convert::Infallible;

use http::{HeaderName, HeaderValue, Request};
use tower::{Layer, Service, ServiceExt as _};
use windbreak::http::Http;
use windbreak::http::idempotency_key::IdempotencyKeyLayer;
use windbreak::rules::{Idempotency, Repeat as _};

const KEY: HeaderName = HeaderName::from_static("idempotency-key");

#[derive(Debug, Clone)]
struct Order {
    number: Option<u64>,
}

fn post(keys: &[&str]) -> Request<Order> {
    let mut request = Request::post("/orders");
    for key in keys {
        request = request.header(KEY, *key);
    }
    request.body(Order { number: None }).expect("the test has good headers")
}

fn order(number: u64) -> Request<Order> {
    post(&[]).map(|_| Order { number: Some(number) })
}

/// The keys with which `request` is sent on.
async fn sent<L>(layer: &L, request: Request<Order>) -> Vec<HeaderValue>
where
    L: Layer<Sink, Service: Service<Request<Order>, Response = Vec<HeaderValue>, Error = Infallible>>,
{
    layer.layer(Sink).oneshot(request).await.unwrap_or_else(|never| match never {})
}

#[derive(Clone)]
struct Sink;

impl Service<Request<Order>> for Sink {
    type Response = Vec<HeaderValue>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Vec<HeaderValue>, Infallible>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Order>) -> Self::Future {
        std::future::ready(Ok(request.headers().get_all(KEY).iter().cloned().collect()))
    }
}

fn is_random(key: &HeaderValue) -> bool {
    let digits = key.to_str().ok().and_then(|key| key.strip_prefix('"')?.strip_suffix('"'));
    digits.is_some_and(|digits| digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

#[tokio::test]
async fn an_empty_key_is_replaced() {
    let layer = IdempotencyKeyLayer::new();
    for empty in [&[""][..], &[" "], &["\"\""], &["\" \""], &["", ""], &["\"7\"", "\"\""]] {
        let keys = sent(&layer, post(empty)).await;
        assert!(keys.len() == 1 && is_random(&keys[0]), "{empty:?}: {keys:?}");
    }
    for key in ["\"7\"", "7"] {
        assert_eq!(sent(&layer, post(&[key])).await, [key]);
    }
}

#[test]
fn a_request_with_an_empty_key_is_not_repeated() {
    let x_token = HeaderName::from_static("x-token");
    let rules = Http::builder().idempotency_header(x_token.clone());
    let of = |key: &str| {
        let mine = Request::post("/").header(&x_token, key).body(()).unwrap();
        assert_eq!(Http.idempotency(&post(&[key])), rules.idempotency(&mine), "{key:?}");
        rules.idempotency(&mine)
    };
    for empty in ["", " ", "\"\"", "\" \""] {
        assert_eq!(of(empty), Idempotency::NotIdempotent, "{empty:?}");
    }
    assert_eq!((of("\"7\""), of("7")), (Idempotency::Keyed, Idempotency::Keyed));
    // Nobody knows which of them the server reads.
    assert_eq!(Http.idempotency(&post(&["\"7\"", ""])), Idempotency::NotIdempotent);
}

#[tokio::test]
async fn no_two_orders_get_the_same_random_key() {
    let layer = IdempotencyKeyLayer::new();
    let mut keys = HashSet::new();
    for number in 0..100 {
        keys.extend(sent(&layer.clone(), order(number)).await);
    }
    assert_eq!(keys.len(), 100);
    assert!(keys.iter().all(is_random));
}

fn by_number() -> impl Layer<Sink, Service: Service<Request<Order>, Response = Vec<HeaderValue>, Error = Infallible>> {
    // As after a crash: nothing is kept from one layer to the next.
    IdempotencyKeyLayer::new().key_from(|request: &Request<Order>| {
        HeaderValue::try_from(format!("\"order-{}\"", request.body().number?)).ok()
    })
}

#[tokio::test]
async fn a_key_from_the_order_is_the_same_after_a_crash() {
    for number in [7, 8] {
        let key = format!("\"order-{number}\"");
        assert_eq!(sent(&by_number(), order(number)).await, [key.as_str()]);
        assert_eq!(sent(&by_number(), order(number)).await, [key.as_str()]);
    }
}

#[tokio::test]
async fn a_key_of_the_callers_stays_and_an_empty_one_is_replaced_by_that_of_the_order() {
    let with = |key: &str| post(&[key]).map(|_| Order { number: Some(7) });
    assert_eq!(sent(&by_number(), with("mine")).await, ["mine"]);
    assert_eq!(sent(&by_number(), with("\"\"")).await, ["\"order-7\""]);
}

#[tokio::test]
async fn an_order_that_gives_no_key_is_sent_without() {
    let none: [HeaderValue; 0] = [];
    assert_eq!(sent(&by_number(), post(&[])).await, none);
    let empty = HeaderValue::from_static("\"\"");
    let layer = IdempotencyKeyLayer::new().key_from({
        let empty = empty.clone();
        move |_: &Request<Order>| Some(empty.clone())
    });
    assert_eq!(sent(&layer, order(7)).await, none);
    assert_eq!(sent(&IdempotencyKeyLayer::new().generator(move || empty.clone()), order(7)).await, none);
}

#[tokio::test]
async fn a_get_gets_no_key() {
    let mut get = order(7);
    *get.method_mut() = http::Method::GET;
    let none: [HeaderValue; 0] = [];
    assert_eq!(sent(&IdempotencyKeyLayer::new(), get.clone()).await, none);
    assert_eq!(sent(&by_number(), get).await, none);
}

#[tokio::test]
async fn a_key_goes_into_the_header_that_is_named() {
    let name = HeaderName::from_static("x-request-token");
    let layer = IdempotencyKeyLayer::new().header(name.clone()).generator(|| HeaderValue::from_static("7"));
    let request = layer.layer(tower::service_fn(|request: Request<Order>| async { Ok::<_, Infallible>(request) }));
    let request = request.oneshot(post(&["\"mine\""])).await.unwrap();
    assert_eq!(
        (&request.headers()[&name], &request.headers()[KEY]),
        (&"7".parse().unwrap(), &"\"mine\"".parse().unwrap())
    );
}
