//! What is made of parts that are `Send`, `Sync` and `Clone` is so too: layers, services, handles and futures.
//!
//! Most of this is checked by compiling it.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tower::util::{BoxCloneService, BoxCloneSyncService, BoxService};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use windbreak::backoff::{Backoff, Delays, Jitter};
use windbreak::bulkhead::{Adapt, QueueingBulkheadLayer, Semaphore};
use windbreak::circuit_breaker::{CircuitBuilder, Permit, Snapshot, State};
use windbreak::faults::FaultPlan;
use windbreak::hedge::{HedgeCounts, Hedging};
use windbreak::rate_limit::{Obey, Rate, RateLimit, UpstreamLimit};
use windbreak::retry::{RetryBudget, RetryPolicyBuilder};
use windbreak::rules::{ErrorsOnly, rules_fn};
use windbreak::saga::{Stuck, UndoPolicy, UndoReport};
use windbreak::window::{CountWindow, TimeWindow};
use windbreak::{
    BulkheadLayer, Circuit, CircuitBreakerLayer, Error, FallbackLayer, Faults, HedgeLayer, InvalidConfig,
    RateLimitLayer, Rejection, RetryLayer, RetryPolicy, TimeoutLayer, Verdict,
};

type Reply = Result<String, Error<std::io::Error>>;

fn shareable<T: Send + Sync + 'static>() {}
fn clonable<T: Clone + Send + Sync + 'static>() {}

/// The layer, its service and its future, over a service whose future is `Send` and `Sync`.
fn layer_is_shareable<L>(layer: &L)
where
    L: Layer<Inner> + Clone + Send + Sync + 'static,
    L::Service: Service<String, Response = String, Error = Error<std::io::Error>> + Clone + Send + Sync + 'static,
    <L::Service as Service<String>>::Future: Send + Sync + 'static,
{
    let service = layer.clone().layer(inner());
    // Each takes a service on other conditions.
    let _ = BoxService::new(service.clone());
    let _ = BoxCloneService::new(service.clone());
    let _ = BoxCloneSyncService::new(service);
}

type Inner = tower::util::ServiceFn<fn(String) -> std::future::Ready<Reply>>;

fn inner() -> Inner {
    service_fn(|request| std::future::ready(Ok(request)))
}

fn retry() -> RetryLayer<ErrorsOnly> {
    RetryLayer::new(RetryPolicy::builder().build().expect("valid"), ErrorsOnly)
}

fn breaker() -> CircuitBreakerLayer<ErrorsOnly> {
    CircuitBreakerLayer::new(circuit(), ErrorsOnly)
}

fn circuit() -> Circuit {
    Circuit::builder("upstream").build().expect("valid")
}

fn bulkhead() -> QueueingBulkheadLayer {
    BulkheadLayer::new(8).expect("valid").max_wait(Duration::from_secs(1))
}

fn rate_limit() -> RateLimitLayer {
    RateLimitLayer::new(Rate::per_second(1).burst(8).expect("valid")).max_wait(Duration::from_secs(1))
}

struct Silent;

impl<T, E> Obey<T, E> for Silent {
    fn upstream_limit(&self, _: Result<&T, &E>) -> UpstreamLimit {
        UpstreamLimit::default()
    }
}

#[test]
fn layers_services_and_futures_are_shareable() {
    layer_is_shareable(&FallbackLayer::value(String::new(), ErrorsOnly));
    layer_is_shareable(&FallbackLayer::function(|response: Reply| response, ErrorsOnly));
    layer_is_shareable(&FallbackLayer::async_function(|response: Reply| async { response }, ErrorsOnly));
    layer_is_shareable(&FallbackLayer::service(inner(), ErrorsOnly));
    layer_is_shareable(&TimeoutLayer::new(Duration::from_secs(1)));
    layer_is_shareable(&retry());
    layer_is_shareable(&HedgeLayer::after(Duration::ZERO, ErrorsOnly));
    layer_is_shareable(&Faults::new().layer());
    layer_is_shareable(&breaker());
    layer_is_shareable(&CircuitBreakerLayer::new(
        circuit(),
        rules_fn(|_: Result<&String, &Error<std::io::Error>>| Verdict::Success),
    ));
    layer_is_shareable(&bulkhead());
    layer_is_shareable(&rate_limit());
    layer_is_shareable(&rate_limit().cost(|_: &String| 2).obey(Arc::new(Silent)));
    layer_is_shareable(&BulkheadLayer::new(8).expect("valid"));
    layer_is_shareable(&bulkhead().adapt(Adapt::between(1, 8).expect("valid"), ErrorsOnly));
    let ask = |_: String, _| async { Ok::<_, std::io::Error>(windbreak::Verified::Unknown) };
    layer_is_shareable(&windbreak::VerifyLayer::new(ErrorsOnly, ask));
    layer_is_shareable(&windbreak::DeadLetterLayer::new(ErrorsOnly, tokio::sync::mpsc::channel(1).0));
    layer_is_shareable(&tower::layer::layer_fn(|inner: Inner| {
        windbreak::Failover::new("card", ErrorsOnly).to("a", inner).build().expect("valid")
    }));
    layer_is_shareable(&ServiceBuilder::new().layer(retry()).layer(breaker()).layer(bulkhead()).into_inner());
}

#[test]
fn handles_policies_and_numbers_are_shareable() {
    clonable::<Circuit>();
    clonable::<Hedging>();
    // Whatever the request and the error are.
    clonable::<Faults<Rc<()>, RefCell<()>>>();
    shareable::<FaultPlan<Rc<()>, RefCell<()>>>();
    clonable::<HedgeCounts>();
    clonable::<CircuitBuilder>();
    clonable::<Snapshot>();
    clonable::<State>();
    shareable::<Permit>();
    clonable::<Semaphore>();
    clonable::<RateLimit>();
    clonable::<Rate>();
    clonable::<Adapt>();
    clonable::<windbreak::failover::FailoverHandle>();
    clonable::<windbreak::failover::Status>();
    clonable::<windbreak::dead_letter::DeadLetterCounts>();
    clonable::<RetryPolicy>();
    clonable::<RetryPolicyBuilder>();
    clonable::<RetryBudget>();
    clonable::<Backoff>();
    clonable::<Delays>();
    clonable::<Jitter>();
    clonable::<CountWindow>();
    clonable::<TimeWindow>();
    clonable::<UndoPolicy>();
    clonable::<windbreak::SagaError<std::io::ErrorKind>>();
    clonable::<Stuck>();
    clonable::<UndoReport>();
    clonable::<Rejection>();
    clonable::<InvalidConfig>();
    shareable::<Error<std::io::Error>>();
}

/// Nor need an error be an error, or a response be anything.
#[test]
fn a_service_need_not_be_shareable() {
    let inner = service_fn(|()| async { Ok::<_, Error<()>>(Rc::new(RefCell::new(()))) });
    let response = ServiceBuilder::new()
        .layer(FallbackLayer::function(|result| result, ErrorsOnly))
        .layer(TimeoutLayer::new(Duration::from_secs(1)))
        .layer(retry())
        .layer(breaker())
        .layer(bulkhead())
        .service(inner)
        .oneshot(());
    drop(response);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stack_of_all_five_runs_on_many_threads() {
    let client = ServiceBuilder::new()
        .layer(FallbackLayer::service(inner(), ErrorsOnly))
        .layer(TimeoutLayer::new(Duration::from_secs(60)))
        .layer(retry())
        .layer(breaker())
        .layer(bulkhead())
        .layer(TimeoutLayer::new(Duration::from_secs(60)))
        .map_err(Error::Service)
        .service(service_fn(|request: String| async move {
            tokio::task::yield_now().await;
            Ok::<_, std::io::Error>(request)
        }));

    let tasks: Vec<_> = (0..100).map(|n| (n, tokio::spawn(client.clone().oneshot(n.to_string())))).collect();
    for (n, task) in tasks {
        assert_eq!(task.await.unwrap().unwrap(), n.to_string());
    }
}
