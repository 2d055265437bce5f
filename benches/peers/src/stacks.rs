//! The contenders: the same callee behind windbreak and behind its peers, each set to do the same where it can.

use std::future::ready;
use std::task::{Context, Poll};
use std::time::Duration;

use failsafe::futures::CircuitBreaker as _;
use failsafe::{FailurePolicy, StateMachine, backoff, failure_policy};
use recloser::{AnyError, AsyncRecloser, Recloser, RecloserFuture};
use tokio::sync::mpsc::channel;
use tower::retry::Policy;
use tower::{Layer, Service, ServiceBuilder};
use tower_resilience::bulkhead::BulkheadLayer as PeerBulkhead;
use tower_resilience::circuitbreaker::{CircuitBreakerLayer as PeerBreaker, SlidingWindowType};
use tower_resilience::fallback::FallbackLayer as PeerFallback;
use tower_resilience::retry::RetryLayer as PeerRetry;
use tower_resilience::timelimiter::TimeLimiterLayer as PeerTimeout;
use windbreak::rules::ErrorsOnly;
use windbreak::{
    BulkheadLayer, Circuit, CircuitBreakerLayer, DeadLetterLayer, Error, Failover, FallbackLayer, RetryLayer,
    RetryPolicy, ServiceErrorLayer, Stack, TimeoutLayer, Verified, VerifyLayer,
};

use crate::harness::callees::Failed;
use crate::task::{Named, by_hand, cloned, named};

/// Long enough that no window slides and no circuit recovers while it is measured.
const HOUR: Duration = Duration::from_secs(3600);
const TIMEOUT: Duration = Duration::from_secs(10);
const IN_FLIGHT: usize = 64;
const WINDOW: usize = 100;
const MINIMUM_CALLS: u32 = 20;
const RATIO: f32 = 0.5;
const ATTEMPTS: u32 = 3;

/// What a callee must be for every peer to wrap it.
pub trait Callee: Service<u64, Response = u64, Error = Failed, Future: Send> + Copy + Send + 'static {}

impl<S> Callee for S where S: Service<u64, Response = u64, Error = Failed, Future: Send> + Copy + Send + 'static {}

/// Circuit breakers over a window of 100 calls, as far as they have one; beside the bare callee, which is first.
pub fn breakers<S: Callee>(callee: S) -> Vec<Named> {
    vec![
        named("bare call", move || callee),
        named("windbreak", move || windbreak_breaker(callee, |circuit| circuit.count_window(WINDOW))),
        named("tower-resilience", move || peer_breaker(callee, SlidingWindowType::CountBased)),
        named("failsafe", move || Guarded { inner: callee, breaker: failsafe_for_failures() }),
        named("recloser", move || recloser_breaker(callee)),
    ]
}

/// Circuit breakers over a window of time. recloser has none.
pub fn time_windows<S: Callee>(callee: S) -> Vec<Named> {
    vec![
        named("bare call", move || callee),
        named("windbreak", move || windbreak_breaker(callee, |circuit| circuit.time_window(HOUR))),
        named("tower-resilience", move || peer_breaker(callee, SlidingWindowType::TimeBased)),
        named("failsafe", move || Guarded { inner: callee, breaker: failsafe_for_time() }),
    ]
}

/// Stacks: five layers of windbreak and of tower-resilience, the three that tower has.
pub fn stacks<S: Callee>(callee: S) -> Vec<Named> {
    vec![
        named("bare call", move || callee),
        named("windbreak, five", move || windbreak_five(callee)),
        named("windbreak, the three that tower has", move || windbreak_three(callee)),
        named("tower-resilience, five", move || peer_five(callee)),
        named("tower, three", move || tower_three(callee)),
    ]
}

/// The same, where each call has a clone of its own.
pub fn cloned_stacks<S: Callee>(callee: S) -> Vec<Named> {
    vec![
        cloned("bare call", move || callee),
        cloned("windbreak, five", move || windbreak_five(callee)),
        cloned("windbreak, the three that tower has", move || windbreak_three(callee)),
        cloned("tower-resilience, five", move || peer_five(callee)),
        cloned("tower, three", move || tower_three(callee)),
    ]
}

/// The same with a timeout for each attempt.
pub fn with_attempt_timeout<S: Callee>(callee: S) -> Vec<Named> {
    vec![
        named("bare call", move || callee),
        named("windbreak, six", move || windbreak_six(callee)),
        named("windbreak, six: a fallback and a `Stack`", move || windbreak_stack(callee)),
        named("tower, three", move || tower_three(callee)),
    ]
}

/// The same futures, polled by hand.
pub fn stacks_by_hand<S: Callee>(callee: S) -> Vec<Named> {
    vec![
        by_hand("bare call", move || callee),
        by_hand("windbreak, five", move || windbreak_five(callee)),
        by_hand("tower-resilience, five", move || peer_five(callee)),
        by_hand("tower, three", move || tower_three(callee)),
    ]
}

/// Each layer by itself.
pub fn layers<S: Callee>(callee: S) -> Vec<Named> {
    let over = ServiceBuilder::new;
    let inner = move || over().layer(ServiceErrorLayer).service(callee);
    let verify = || VerifyLayer::new(ErrorsOnly, |_: u64, _| ready(Ok::<_, std::io::Error>(Verified::Unknown)));
    let failover = move || {
        let failover = Failover::new("two", ErrorsOnly).to("first", inner()).to("second", inner());
        failover.build().expect("two providers are valid")
    };
    vec![
        named("bare call", move || callee),
        named("fallback", move || over().layer(FallbackLayer::value(0, ErrorsOnly)).service(inner())),
        named("timeout", move || over().layer(TimeoutLayer::new(TIMEOUT)).service(inner())),
        named("tower: timeout", move || over().timeout(TIMEOUT).service(callee)),
        named("retry", move || over().layer(retry()).service(inner())),
        named("tower: retry", move || over().retry(Attempts(ATTEMPTS)).service(callee)),
        named("bulkhead", move || over().layer(bulkhead()).service(inner())),
        named("bulkhead with a queue", move || over().layer(bulkhead().queue()).service(inner())),
        named("tower: concurrency limit", move || over().concurrency_limit(IN_FLIGHT).service(callee)),
        named("verify", move || over().layer(verify()).service(inner())),
        named("dead letter", move || over().layer(DeadLetterLayer::new(ErrorsOnly, channel(1).0)).service(inner())),
        named("failover of two, boxed", failover),
    ]
}

fn windbreak_breaker<S: Callee>(
    callee: S,
    window: impl FnOnce(windbreak::circuit_breaker::CircuitBuilder) -> windbreak::circuit_breaker::CircuitBuilder,
) -> impl Service<u64> + Clone + Send {
    let circuit =
        Circuit::builder("callee").failure_ratio(RATIO.into()).minimum_calls(MINIMUM_CALLS as usize).open_for(HOUR);
    let circuit = window(circuit).build().expect("its numbers are valid");
    ServiceBuilder::new().layer(CircuitBreakerLayer::new(circuit, ErrorsOnly)).layer(ServiceErrorLayer).service(callee)
}

fn retry() -> RetryLayer<ErrorsOnly> {
    let policy = RetryPolicy::builder().max_attempts(ATTEMPTS);
    RetryLayer::new(policy.build().expect("its numbers are valid"), ErrorsOnly)
}

fn circuit() -> CircuitBreakerLayer<ErrorsOnly> {
    let circuit = Circuit::builder("callee").count_window(WINDOW).failure_ratio(RATIO.into());
    let circuit = circuit.minimum_calls(MINIMUM_CALLS as usize).build().expect("its numbers are valid");
    CircuitBreakerLayer::new(circuit, ErrorsOnly)
}

fn bulkhead() -> BulkheadLayer {
    BulkheadLayer::new(IN_FLIGHT).expect("its number is valid")
}

fn windbreak_five<S: Callee>(callee: S) -> impl Service<u64> + Clone + Send {
    five_over(ServiceBuilder::new().layer(ServiceErrorLayer).service(callee))
}

fn windbreak_six<S: Callee>(callee: S) -> impl Service<u64> + Clone + Send {
    five_over(ServiceBuilder::new().layer(TimeoutLayer::new(TIMEOUT)).layer(ServiceErrorLayer).service(callee))
}

fn windbreak_stack<S: Callee>(callee: S) -> impl Service<u64> + Clone + Send {
    let stack = Stack::new("callee", ErrorsOnly).with_circuit(circuit().circuit().clone()).bulkhead(IN_FLIGHT);
    let stack = stack.build().expect("its numbers are valid");
    ServiceBuilder::new().layer(FallbackLayer::value(0, ErrorsOnly)).layer(stack).service(callee)
}

fn five_over<S>(inner: S) -> impl Service<u64> + Clone + Send
where
    S: Service<u64, Response = u64, Error = Error<Failed>, Future: Send> + Clone + Send,
{
    ServiceBuilder::new()
        .layer(FallbackLayer::value(0, ErrorsOnly))
        .layer(TimeoutLayer::new(TIMEOUT))
        .layer(retry())
        .layer(circuit())
        .layer(bulkhead())
        .service(inner)
}

fn windbreak_three<S: Callee>(callee: S) -> impl Service<u64> + Clone + Send {
    ServiceBuilder::new()
        .layer(TimeoutLayer::new(TIMEOUT))
        .layer(retry())
        .layer(bulkhead())
        .layer(ServiceErrorLayer)
        .service(callee)
}

fn peer_breaker<S: Callee>(callee: S, window: SlidingWindowType) -> impl Service<u64> + Clone + Send {
    PeerBreaker::builder()
        .sliding_window_type(window)
        .sliding_window_size(WINDOW)
        .sliding_window_duration(HOUR)
        .failure_rate_threshold(RATIO.into())
        .minimum_number_of_calls(MINIMUM_CALLS as usize)
        .wait_duration_in_open(HOUR)
        .build()
        .expect("its numbers are valid")
        .layer(callee)
}

fn peer_five<S: Callee>(callee: S) -> impl Service<u64> + Clone + Send {
    let breaker = PeerBreaker::builder()
        .sliding_window_size(WINDOW)
        .failure_rate_threshold(RATIO.into())
        .minimum_number_of_calls(MINIMUM_CALLS as usize);
    let bulkhead = PeerBulkhead::builder().max_concurrent_calls(IN_FLIGHT).reject_when_full();
    ServiceBuilder::new()
        .layer(PeerFallback::value(0))
        .layer(PeerTimeout::builder().timeout_duration(TIMEOUT).build())
        .layer(
            PeerRetry::builder()
                .max_attempts(ATTEMPTS as usize)
                .exponential_backoff(Duration::from_millis(100))
                .build(),
        )
        .layer(breaker.build().expect("its numbers are valid"))
        .layer(bulkhead.build().expect("its number is valid"))
        .service(callee)
}

fn tower_three<S: Callee>(callee: S) -> impl Service<u64> + Clone + Send {
    ServiceBuilder::new().timeout(TIMEOUT).retry(Attempts(ATTEMPTS)).concurrency_limit(IN_FLIGHT).service(callee)
}

/// The simplest policy for tower's `Retry`: as many attempts as windbreak makes, and no budget.
#[derive(Debug, Clone)]
struct Attempts(u32);

impl<E> Policy<u64, u64, E> for Attempts {
    type Future = std::future::Ready<()>;

    fn retry(&mut self, _: &mut u64, result: &mut Result<u64, E>) -> Option<Self::Future> {
        self.0 -= 1;
        (result.is_err() && self.0 > 0).then(|| ready(()))
    }

    fn clone_request(&mut self, request: &u64) -> Option<u64> {
        Some(*request)
    }
}

/// A service behind a breaker that is not one itself.
#[derive(Clone)]
struct Guarded<S, B> {
    inner: S,
    breaker: B,
}

/// failsafe counts failures in a row, or over time; it has no window of so many calls.
fn failsafe_for_failures() -> StateMachine<impl FailurePolicy + Send + Sync + 'static, ()> {
    let policy = failure_policy::consecutive_failures(MINIMUM_CALLS, backoff::constant(HOUR));
    failsafe::Config::new().failure_policy(policy).build()
}

fn failsafe_for_time() -> StateMachine<impl FailurePolicy + Send + Sync + 'static, ()> {
    let backoff = backoff::constant(HOUR);
    let policy = failure_policy::success_rate_over_time_window((1.0 - RATIO).into(), MINIMUM_CALLS, HOUR, backoff);
    failsafe::Config::new().failure_policy(policy).build()
}

impl<S: Callee, P: FailurePolicy + Send + Sync> Service<u64> for Guarded<S, StateMachine<P, ()>> {
    type Response = u64;
    type Error = failsafe::Error<Failed>;
    type Future = failsafe::futures::ResponseFuture<S::Future, P, (), failsafe::Any>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(failsafe::Error::Inner)
    }

    fn call(&mut self, request: u64) -> Self::Future {
        self.breaker.call(self.inner.call(request))
    }
}

fn recloser_breaker<S: Callee>(inner: S) -> Guarded<S, AsyncRecloser> {
    let breaker = Recloser::custom().closed_len(WINDOW).error_rate(RATIO).open_wait(HOUR).build();
    Guarded { inner, breaker: AsyncRecloser::from(breaker) }
}

impl<S: Callee> Service<u64> for Guarded<S, AsyncRecloser> {
    type Response = u64;
    type Error = recloser::Error<Failed>;
    type Future = RecloserFuture<S::Future, AnyError>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(recloser::Error::Inner)
    }

    fn call(&mut self, request: u64) -> Self::Future {
        self.breaker.call(self.inner.call(request))
    }
}
