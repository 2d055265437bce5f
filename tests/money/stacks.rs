//! The documented stack for payments, with each layer in its place.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{HeaderName, StatusCode};
use reqwest::Request;
use tokio::sync::mpsc;
use tower::util::BoxCloneService;
use tower::{Layer, ServiceBuilder, service_fn};
use windbreak::dead_letter::{DeadLetter, DeadLetterCounts};
use windbreak::http::{Http, HttpRules};
use windbreak::retry::RetryBudget;
use windbreak::verify::Unsettled;
use windbreak::{
    BulkheadLayer, Circuit, CircuitBreakerLayer, DeadLetterLayer, Effect, Error, Failover, Failure, RetryLayer,
    RetryPolicy, ServiceErrorLayer, TimeoutLayer, Verdict, VerifyLayer,
};

use super::gateway::{Gateway, GatewayError, Reply, X_RESEND, order_of};

pub(super) type Failed = Error<GatewayError>;
pub(super) type Payments = BoxCloneService<Request, Reply, Failed>;

/// Long enough for a healthy exchange on a machine that has a lot to do.
const ATTEMPT: Duration = Duration::from_millis(50);
const TOTAL: Duration = Duration::from_secs(1);
/// Fewer than there are requests at once, so that some find no place.
const PLACES: usize = 12;

/// Where the layer stands that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asks {
    /// Once, at the end: for requests with a key.
    AboveRetry,
    /// After each attempt: for requests without one.
    BelowRetry,
    Never,
}

pub(super) fn rules() -> HttpRules {
    // This provider's word for an order that was voided: nothing was done, and nothing will be.
    let closed = |status, _: &http::HeaderMap| {
        (status == StatusCode::GONE).then(|| Verdict::Failure(Failure::new(Effect::NotApplied).permanent()))
    };
    Http::builder().without_redirects().resend_header(HeaderName::from_static(X_RESEND)).classify_with(closed)
}

/// The requests of which it stayed unknown whether they took effect.
pub(super) type Told = Arc<Mutex<Vec<usize>>>;

pub(super) struct Client {
    pub(super) service: Payments,
    pub(super) counts: DeadLetterCounts,
    pub(super) letters: mpsc::Receiver<DeadLetter<Request>>,
    pub(super) unsettled: Told,
}

impl Client {
    /// Over all the gateways, in their order; over a single one without failover.
    pub(super) fn new(gateways: &[Gateway], asks: Asks, letters: usize) -> Self {
        let unsettled = Told::default();
        let mut stacks = gateways.iter().map(|gateway| stack(gateway, asks, &unsettled));
        let (sink, letters) = mpsc::channel(letters);
        let dead_letter = DeadLetterLayer::new(rules(), sink);
        let counts = dead_letter.counts();
        let outer = ServiceBuilder::new().layer(dead_letter).layer(TimeoutLayer::new(TOTAL));
        let service = if let [_] = gateways {
            BoxCloneService::new(outer.service(stacks.next().expect("there is one")))
        } else {
            let failover = stacks.enumerate().fold(Failover::new("card", rules()), |failover, (number, stack)| {
                failover.to(["a", "b"][number], stack)
            });
            BoxCloneService::new(outer.service(failover.build().expect("two providers are valid")))
        };
        Self { service, counts, letters, unsettled }
    }
}

/// More than half of all attempts fail where nothing is down. It is to open where something is.
fn circuit(provider: usize) -> Circuit {
    let circuit = Circuit::builder(["a", "b"][provider]).failure_ratio(0.95).count_window(20).minimum_calls(20);
    circuit.open_for(Duration::from_millis(20)).build().expect("the test has a good circuit")
}

/// What stands before one provider.
fn stack(gateway: &Gateway, asks: Asks, unsettled: &Told) -> Payments {
    let (find, void, send, told) = (gateway.clone(), gateway.clone(), gateway.clone(), Arc::clone(unsettled));
    let policy = RetryPolicy::builder().max_attempts(3).backoff(Duration::from_millis(2));
    let policy = policy.budget(RetryBudget::new(0.5, 100).expect("valid")).build().expect("valid");
    let retry = RetryLayer::new(policy, rules());
    let verify = VerifyLayer::new(rules(), move |request, failed| find.clone().find(request, failed))
        .after(Duration::from_millis(5))
        .timeout(ATTEMPT)
        .attempts(3)
        .or_void(move |request| void.clone().void(request))
        .on_unsettled(move |unsettled: Unsettled<Request>| {
            let request = unsettled.request.expect("all can be copied");
            told.lock().expect("nobody panics with the lock held").push(order_of(&request));
        });
    let bottom = ServiceBuilder::new()
        .layer(CircuitBreakerLayer::new(circuit(gateway.provider), rules()))
        .layer(BulkheadLayer::new(PLACES).expect("valid"))
        .layer(TimeoutLayer::new(ATTEMPT))
        .layer(ServiceErrorLayer)
        .service(service_fn(move |request| send.clone().send(request)));
    match asks {
        Asks::AboveRetry => BoxCloneService::new(verify.layer(retry.layer(bottom))),
        Asks::BelowRetry => BoxCloneService::new(retry.layer(verify.layer(bottom))),
        Asks::Never => BoxCloneService::new(retry.layer(bottom)),
    }
}
