//! The contenders over `http` types: what they cost there is mostly what it costs to move and to copy requests and
//! responses, of which the rows over `u64` say nothing.

use std::future::{Ready, ready};
use std::hint::black_box;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode, header};
use http_body_util::Full;
use tower::retry::Policy;
use tower::{Service, ServiceBuilder};
use windbreak::http::Http;
use windbreak::{
    BulkheadLayer, Circuit, CircuitBreakerLayer, Error, FallbackLayer, RetryLayer, RetryPolicy, ServiceErrorLayer,
    TimeoutLayer,
};

use crate::harness::await_calls;
use crate::harness::callees::Failed;
use crate::task::{Named, Task};

pub type Request = http::Request<Full<Bytes>>;
pub type Response = http::Response<Full<Bytes>>;

const TIMEOUT: Duration = Duration::from_secs(10);
const IN_FLIGHT: usize = 64;
const ATTEMPTS: u32 = 3;

/// Responds at once, through a boxed future, as most clients do.
#[derive(Debug, Clone, Copy)]
struct Upstream;

impl Service<Request> for Upstream {
    type Response = Response;
    type Error = Failed;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Failed>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        Box::pin(async move {
            let mut response = http::Response::new(request.into_body());
            response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
            Ok(response)
        })
    }
}

/// A `GET` with a few headers.
pub fn new_request(number: u64) -> Request {
    http::Request::builder()
        .method(Method::GET)
        .uri("/orders/7")
        .header(header::HOST, "orders.internal")
        .header(header::ACCEPT, "application/json")
        .header("x-request-id", number)
        .body(Full::default())
        .expect("it is a valid request")
}

/// Calls with a new request each, whose making is in the bare call too. Each time from another depth of the stack: how the
/// frames lie to one another costs as much as some layers, and is chance.
#[repr(align(128))]
struct OverHttp<S> {
    service: S,
    depth: u32,
}

/// As many frames of 64 bytes and more as there are lines in a page's worth of stack.
const DEPTHS: u32 = 32;

impl<S: Service<Request> + Clone + Send + 'static> Task for OverHttp<S> {
    fn make_calls(&mut self, calls: u64) {
        self.depth = (self.depth + 1) % DEPTHS;
        let Self { service, depth } = self;
        deeper(*depth, &mut || await_calls(service, calls, new_request));
    }

    fn work_and_call(&mut self, calls: u64) {
        self.make_calls(calls);
    }

    fn twin(&self) -> Box<dyn Task> {
        Box::new(Self { service: self.service.clone(), depth: 0 })
    }
}

/// Runs it below so many further frames.
#[inline(never)]
fn deeper(more: u32, run: &mut dyn FnMut()) {
    let frame = black_box([more; 16]);
    if more == 0 {
        run();
    } else {
        deeper(more - 1, run);
    }
    black_box(frame);
}

fn named<S: Service<Request> + Clone + Send + 'static>(name: &'static str, make: impl Fn() -> S + 'static) -> Named {
    (name, Box::new(move || Box::new(OverHttp { service: make(), depth: 0 })))
}

/// All over the upstream above.
pub fn stacks() -> Vec<Named> {
    vec![
        named("bare call", || Upstream),
        named("windbreak, five", || windbreak_five(Upstream)),
        named("tower, three", || tower_three(Upstream)),
    ]
}

/// Five layers over any client.
pub fn windbreak_five<S, B>(
    client: S,
) -> impl Service<Request, Response = http::Response<B>, Error = Error<S::Error>, Future: Send> + Clone + Send
where
    S: Service<Request, Response = http::Response<B>, Future: Send> + Clone + Send,
    S::Error: std::error::Error + Send + Sync + 'static,
    B: http_body::Body + Send + 'static,
{
    let policy = RetryPolicy::builder().max_attempts(ATTEMPTS).build().expect("its numbers are valid");
    let circuit = Circuit::builder("upstream").build().expect("its numbers are valid");
    ServiceBuilder::new()
        .layer(FallbackLayer::function(|result| result, Http))
        .layer(TimeoutLayer::new(TIMEOUT))
        .layer(RetryLayer::new(policy, Http))
        .layer(CircuitBreakerLayer::new(circuit, Http))
        .layer(BulkheadLayer::new(IN_FLIGHT).expect("its number is valid"))
        .layer(ServiceErrorLayer)
        .service(client)
}

/// What tower has of it.
pub fn tower_three<S, B>(
    client: S,
) -> impl Service<Request, Response = http::Response<B>, Error = tower::BoxError, Future: Send> + Clone + Send
where
    S: Service<Request, Response = http::Response<B>, Future: Send> + Clone + Send,
    S::Error: std::error::Error + Send + Sync + 'static,
    B: Send + 'static,
{
    ServiceBuilder::new().timeout(TIMEOUT).retry(OfSafeRequests(ATTEMPTS)).concurrency_limit(IN_FLIGHT).service(client)
}

/// Judges statuses and methods, as `Http` does, and has no budget.
#[derive(Debug, Clone)]
struct OfSafeRequests(u32);

impl<B, E> Policy<Request, http::Response<B>, E> for OfSafeRequests {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut Request, result: &mut Result<http::Response<B>, E>) -> Option<Self::Future> {
        self.0 -= 1;
        let failed = match result {
            Ok(response) => response.status() == StatusCode::TOO_MANY_REQUESTS || response.status().is_server_error(),
            Err(_) => true,
        };
        (failed && self.0 > 0).then(|| ready(()))
    }

    fn clone_request(&mut self, request: &Request) -> Option<Request> {
        request.method().is_safe().then(|| request.clone())
    }
}
