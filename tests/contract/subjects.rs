//! The layers under test, each over a [`Upstream`] and with its own idea of having everything back.

use std::pin::Pin;
use std::time::Duration;

use tokio_test::task::{self, Spawn};
use tokio_test::{assert_ready, assert_ready_ok};
use tower::layer::Layer;
use tower::util::BoxCloneService;
use tower::{Service, ServiceBuilder, ServiceExt};
use windbreak::bulkhead::Adapt;
use windbreak::circuit_breaker::State;
use windbreak::rate_limit::Rate;
use windbreak::rules::ErrorsOnly;
use windbreak::{
    BulkheadLayer, Circuit, CircuitBreakerLayer, DeadLetterLayer, Error, Failover, FallbackLayer, Faults, HedgeLayer,
    PerKeyLayer, RateLimitLayer, RetryLayer, RetryPolicy, TimeoutLayer, Verified, VerifyLayer,
};

use crate::support::{AllIdempotent, all_idempotent, all_safe};

use super::upstream::{Control, Fate, Reply, Request, Upstream};

/// Longer than any test, so that it only ever ends what would hang.
const LONG: Duration = Duration::from_secs(3600);

/// A call under way, polled by hand.
pub(crate) type Call = Spawn<Pin<Box<dyn Future<Output = Reply> + Send>>>;

/// The service of one layer over an upstream.
pub(crate) struct Subject {
    pub(crate) service: BoxCloneService<Request, &'static str, Error<&'static str>>,
    pub(crate) upstream: Control,
    pub(crate) request: Request,
    /// The instances of the upstream that the service keeps: one, and a spare where it makes further attempts.
    instances: usize,
    layer_is_at_rest: Box<dyn Fn() -> bool>,
}

impl Subject {
    pub(crate) fn new<L>(layer: L, layer_is_at_rest: impl Fn() -> bool + 'static) -> Self
    where
        L: Layer<Upstream>,
        L::Service: Service<Request, Response = &'static str, Error = Error<&'static str>> + Clone + Send + 'static,
        <L::Service as Service<Request>>::Future: Send,
    {
        let upstream = Control::default();
        let service = BoxCloneService::new(layer.layer(upstream.upstream()));
        let instances = upstream.instances();
        let layer_is_at_rest = Box::new(layer_is_at_rest);
        Self { service, upstream, request: Request::default(), instances, layer_is_at_rest }
    }

    /// A call under way, not yet polled.
    #[track_caller]
    pub(crate) fn call(&mut self) -> Call {
        self.assert_ready();
        task::spawn(self.service.call(self.request.clone()))
    }

    /// Asks whether it is ready, once: a service that is not is a failed test, not a hung one.
    #[track_caller]
    pub(crate) fn assert_ready(&mut self) {
        assert_ready_ok!(task::spawn(self.service.ready()).poll());
    }

    #[track_caller]
    pub(crate) fn assert_responds(&mut self) {
        self.upstream.set_fate(Fate::Responds);
        assert_eq!(assert_ready!(self.call().poll()), Ok("response"));
    }

    /// Panics unless everything that a request takes has been given back.
    #[track_caller]
    pub(crate) fn assert_at_rest(&self) {
        assert_eq!(self.upstream.instances(), self.instances, "instances of the upstream: those in the service");
        assert_eq!(self.upstream.futures(), 0, "futures of the upstream");
        assert_eq!(Request::strong_count(&self.request), 1, "copies of the request: that of the test");
        assert!((self.layer_is_at_rest)(), "the layer itself");
    }
}

pub(crate) fn fallback_to_a_value() -> Subject {
    Subject::new(FallbackLayer::value("instead", ErrorsOnly), || true)
}

pub(crate) fn fallback_to_a_service() -> Subject {
    let other = Control::default();
    let layer = FallbackLayer::service(other.upstream(), all_safe());
    Subject::new(layer, move || (other.instances(), other.futures()) == (1, 0))
}

pub(crate) fn timeout() -> Subject {
    Subject::new(TimeoutLayer::new(LONG), || true)
}

pub(crate) fn retry() -> Subject {
    Subject::new(retry_layer(), || true)
}

pub(crate) fn hedge() -> Subject {
    Subject::new(HedgeLayer::after(LONG, all_idempotent()), || true)
}

/// It measures what first attempts take.
pub(crate) fn hedge_that_learns() -> Subject {
    Subject::new(HedgeLayer::extra_load(0.02, all_idempotent()).expect("valid"), || true)
}

pub(crate) fn faults_off() -> Subject {
    Subject::new(Faults::new().layer(), || true)
}

/// They hold each result back, but for no time.
pub(crate) fn faults_on() -> Subject {
    let faults = Faults::new();
    faults.plan().delay(1.0, Duration::ZERO..=Duration::ZERO).start().expect("valid");
    Subject::new(faults.layer(), || true)
}

/// Every failed request is asked about, and the question finds nothing out.
pub(crate) fn verify() -> Subject {
    let ask = |_: Request, _| std::future::ready(Ok::<_, std::io::Error>(Verified::Unknown));
    Subject::new(VerifyLayer::new(ErrorsOnly, ask), || true)
}

pub(crate) fn dead_letter() -> Subject {
    let (sink, letters) = tokio::sync::mpsc::channel(8);
    Subject::new(DeadLetterLayer::new(ErrorsOnly, sink), move || letters.is_empty())
}

/// With another provider, so that there is a copy of each request.
pub(crate) fn failover() -> Subject {
    let other = Control::default();
    let second = other.clone();
    let layer = tower::layer::layer_fn(move |first: Upstream| {
        Failover::new("card", all_safe()).to("first", first).to("second", second.upstream()).build().expect("valid")
    });
    Subject::new(layer, move || (other.instances(), other.futures()) == (1, 0))
}

/// Closed, it lends nothing.
pub(crate) fn circuit_breaker() -> Subject {
    let circuit = Circuit::builder("upstream").build().expect("valid");
    Subject::new(CircuitBreakerLayer::new(circuit, ErrorsOnly), || true)
}

/// Half-open from the first request on, which is the only probe.
pub(crate) fn circuit_breaker_half_open() -> Subject {
    let (layer, circuit) = half_open(1);
    // A probe that is not given back keeps others out, but not the circuit from opening.
    Subject::new(layer, move || circuit.acquire().is_ok() || circuit.state() != State::HalfOpen)
}

pub(crate) fn bulkhead() -> Subject {
    let layer = BulkheadLayer::new(1).expect("valid");
    let places = layer.semaphore().clone();
    Subject::new(layer, move || places.in_flight() == 0)
}

pub(crate) fn bulkhead_with_a_queue() -> Subject {
    let layer = BulkheadLayer::new(1).expect("valid").max_wait(LONG);
    let places = layer.semaphore().clone();
    Subject::new(layer, move || places.in_flight() == 0 && places.queued() == 0)
}

/// More than any test takes.
pub(crate) fn rate_limit() -> Subject {
    Subject::new(RateLimitLayer::new(Rate::per_hour(1).burst(100).expect("valid")), || true)
}

pub(crate) fn rate_limit_with_a_queue() -> Subject {
    let layer = RateLimitLayer::new(Rate::per_hour(1).burst(100).expect("valid")).max_wait(LONG);
    let limit = layer.limit().clone();
    Subject::new(layer, move || limit.queued() == 0)
}

pub(crate) fn adaptive_bulkhead() -> Subject {
    let adapt = Adapt::between(1, 8).expect("valid");
    let layer = BulkheadLayer::new(1).expect("valid").max_wait(LONG).adapt(adapt, ErrorsOnly);
    let semaphore = layer.semaphore().clone();
    Subject::new(layer, move || semaphore.in_flight() == 0 && semaphore.queued() == 0)
}

/// A key is known only when a request comes, so its layer is asked after that.
pub(crate) fn per_key() -> Subject {
    let bulkhead = BulkheadLayer::new(1).expect("valid");
    let places = bulkhead.semaphore().clone();
    let layer = PerKeyLayer::new(8, |_: &Request| "host", move |_: &&str| bulkhead.clone()).expect("valid");
    let mut subject = Subject::new(layer, move || places.in_flight() == 0);
    // It keeps the service of the key, and that of the key which was asked for last.
    for _ in 0..3 {
        subject.assert_responds();
    }
    subject.instances = subject.upstream.instances();
    subject.upstream.forget_calls();
    subject
}

pub(crate) fn all_five() -> Subject {
    let bulkhead = BulkheadLayer::new(1).expect("valid").max_wait(LONG);
    let places = bulkhead.semaphore().clone();
    let (breaker, circuit) = half_open(1);
    let stack = ServiceBuilder::new()
        .layer(FallbackLayer::function(|result| result, ErrorsOnly))
        .layer(TimeoutLayer::new(LONG))
        .layer(retry_layer())
        .layer(breaker)
        .layer(bulkhead)
        .layer(TimeoutLayer::new(LONG))
        .into_inner();
    Subject::new(stack, move || {
        let probe_is_back = circuit.acquire().is_ok() || circuit.state() != State::HalfOpen;
        probe_is_back && places.in_flight() == 0 && places.queued() == 0
    })
}

/// Two attempts, a second apart.
pub(crate) fn retry_layer() -> RetryLayer<AllIdempotent<Request>> {
    let policy = RetryPolicy::builder().max_attempts(2).backoff(Duration::from_secs(1));
    RetryLayer::new(policy.build().expect("valid"), all_idempotent())
}

/// A circuit whose wait is over, so that its next request is a probe.
pub(crate) fn half_open(probes: usize) -> (CircuitBreakerLayer<ErrorsOnly>, Circuit) {
    let circuit = Circuit::builder("upstream").probes(probes).probe_timeout(LONG).build().expect("valid");
    circuit.force_open_for(Duration::ZERO);
    (CircuitBreakerLayer::new(circuit.clone(), ErrorsOnly), circuit)
}
