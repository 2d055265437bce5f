//! A call allocates nothing while all is well, and neither does a rejection.
//!
//! Allocations are counted per thread, so the tests do not disturb each other.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use windbreak::rules::ErrorsOnly;

use allocation_counter::measure;
use tokio::runtime::{Builder, Runtime};
use tower::util::BoxCloneService;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use windbreak::bulkhead::Adapt;
use windbreak::circuit_breaker::CircuitBuilder;
use windbreak::http::Http;
use windbreak::rate_limit::Rate;
use windbreak::{
    BulkheadLayer, Circuit, CircuitBreakerLayer, Error, FallbackLayer, Faults, HedgeLayer, PerKeyLayer, RateLimitLayer,
    RetryLayer, RetryPolicy, TimeoutLayer,
};

type Outcome = Result<&'static str, Error<&'static str>>;

/// Enough for several rounds of a retry budget (64 requests) and of a window (100 calls).
const CALLS: u64 = 1_000;

const LIMIT: Duration = Duration::from_secs(60);

/// A response that comes at once, or after it was polled and woken once.
#[derive(Debug)]
struct Reply {
    pends: bool,
}

impl Future for Reply {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        if std::mem::take(&mut self.pends) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok("response"))
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().expect("a runtime")
}

/// What `CALLS` calls allocate, once everything that is made only once has been made.
fn allocations<S>(service: &mut S, is_right: impl Fn(&Outcome) -> bool + Copy) -> u64
where
    S: Service<(), Response = &'static str, Error = Error<&'static str>>,
{
    async fn call_often<S>(service: &mut S, is_right: impl Fn(&Outcome) -> bool)
    where
        S: Service<(), Response = &'static str, Error = Error<&'static str>>,
    {
        for _ in 0..CALLS {
            let outcome = match service.ready().await {
                Ok(service) => service.call(()).await,
                Err(error) => Err(error),
            };
            assert!(is_right(&outcome));
        }
    }

    let runtime = runtime();
    runtime.block_on(call_often(service, is_right));
    measure(|| runtime.block_on(call_often(service, is_right))).count_total
}

/// Over a service that responds at once, and over one that does so when asked again.
fn assert_free<L, S>(layer: &L)
where
    L: Layer<tower::util::ServiceFn<fn(()) -> Reply>, Service = S>,
    S: Service<(), Response = &'static str, Error = Error<&'static str>>,
{
    let at_once: fn(()) -> Reply = |()| Reply { pends: false };
    let pending_once: fn(()) -> Reply = |()| Reply { pends: true };
    for (upstream, name) in [(at_once, "at once"), (pending_once, "pending once")] {
        let allocations = allocations(&mut layer.layer(service_fn(upstream)), Result::is_ok);
        assert_eq!(allocations, 0, "over a service that responds {name}");
    }
}

#[test]
fn a_request_that_verify_and_dead_letter_watch_is_free() {
    let ask = |(): (), _| async { Ok::<_, std::io::Error>(windbreak::Verified::Unknown) };
    assert_free(&windbreak::VerifyLayer::new(ErrorsOnly, ask));
    assert_free(&windbreak::DeadLetterLayer::new(ErrorsOnly, tokio::sync::mpsc::channel(1).0));
}

#[test]
fn a_request_through_a_failover_allocates_its_future_once() {
    let answers: fn(()) -> Reply = |()| Reply { pends: false };
    let failover =
        windbreak::Failover::new("card", ErrorsOnly).to("a", service_fn(answers)).to("b", service_fn(answers));
    let mut failover = failover.build().expect("valid");
    assert_eq!(allocations(&mut failover, Result::is_ok), CALLS);
}

/// The name of the step, its future, and its undo: the one with the value, made from the one without. Beside that, the name
/// of the saga, and once the lists of steps.
#[test]
fn a_saga_allocates_four_times_for_each_step() {
    async fn saga(names: &[&str]) {
        let mut saga = windbreak::Saga::new("order");
        for name in names {
            let step = saga.step(*name, std::future::ready(Ok::<_, std::fmt::Error>(7)));
            step.undo(|_| std::future::ready(Ok::<_, std::fmt::Error>(()))).await.unwrap();
        }
        saga.finish().unwrap();
    }
    let runtime = runtime();
    let names = ["quota", "charge", "mail"];
    let made: Vec<_> = (0..=3).map(|steps| measure(|| runtime.block_on(saga(&names[..steps]))).count_total).collect();
    assert_eq!(made, [1, 7, 11, 15]);
}

fn circuit() -> CircuitBuilder {
    Circuit::builder("upstream")
}

fn breaker(circuit: CircuitBuilder) -> CircuitBreakerLayer<ErrorsOnly> {
    CircuitBreakerLayer::new(circuit.build().expect("valid"), ErrorsOnly)
}

#[test]
fn the_meter_sees_a_boxed_future() {
    let mut boxed = BoxCloneService::new(service_fn(|()| Reply { pends: false }));
    assert_eq!(allocations(&mut boxed, Result::is_ok), CALLS);
}

#[test]
fn a_fallback_that_is_not_needed_is_free() {
    assert_free(&FallbackLayer::value("instead", ErrorsOnly));
    assert_free(&FallbackLayer::service(service_fn(|()| Reply { pends: false }), ErrorsOnly));
}

#[test]
fn a_timeout_is_free() {
    assert_free(&TimeoutLayer::new(LIMIT));
}

#[test]
fn a_retry_that_is_not_needed_is_free() {
    assert_free(&RetryLayer::new(RetryPolicy::builder().build().unwrap(), ErrorsOnly));
    assert_free(&RetryLayer::new(RetryPolicy::builder().max_elapsed(LIMIT).build().unwrap(), ErrorsOnly));
}

#[test]
fn a_hedge_that_is_not_sent_is_free() {
    let every = || ErrorsOnly.idempotent(|(): &()| true);
    assert_free(&HedgeLayer::after(LIMIT, ErrorsOnly));
    assert_free(&HedgeLayer::after(LIMIT, every()));
    assert_free(&HedgeLayer::extra_load(0.5, every()).unwrap());
}

#[test]
fn faults_that_are_off_are_free() {
    assert_free(&Faults::new().layer());
}

#[test]
fn a_closed_circuit_is_free() {
    assert_free(&breaker(circuit()));
    assert_free(&breaker(circuit().slow_calls(LIMIT, 0.5)));
    assert_free(&breaker(circuit().time_window(LIMIT)));
    assert_free(&breaker(circuit().time_window(LIMIT).slow_calls(LIMIT, 0.5)));
    // Every call is slow, so each takes the lock; too few are made to open the circuit.
    let slow = circuit().count_window(10_000).minimum_calls(10_000).slow_calls(Duration::from_nanos(1), 1.0);
    assert_free(&breaker(slow));
}

#[test]
fn a_bulkhead_with_room_is_free() {
    assert_free(&BulkheadLayer::new(64).unwrap());
    assert_free(&BulkheadLayer::new(64).unwrap().max_wait(LIMIT));
    let adapt = Adapt::between(64, 200).unwrap();
    assert_free(&BulkheadLayer::new(64).unwrap().queue().adapt(adapt, ErrorsOnly));
}

#[test]
fn a_rate_limit_with_room_is_free() {
    let layer = RateLimitLayer::new(Rate::per_second(1_000_000_000).burst(1_000_000).unwrap());
    assert_free(&layer);
    assert_free(&layer.clone().max_wait(LIMIT));
    assert_free(&layer.cost(|()| 3));
}

#[test]
fn a_rate_limit_that_obeys_a_response_without_a_word_of_limits_is_free() {
    let layer = RateLimitLayer::new(Rate::per_second(1_000_000_000).burst(1_000_000).unwrap()).obey(Http);
    let mut service =
        layer.layer(service_fn(|()| std::future::ready(Ok::<_, Error<&'static str>>(http::Response::new("response")))));
    let mut calls = || {
        for _ in 0..CALLS {
            assert!(tokio_test::task::spawn(service.call(())).poll().is_ready());
        }
    };
    let made_by_the_harness = measure(|| {
        for _ in 0..CALLS {
            assert!(tokio_test::task::spawn(std::future::ready(())).poll().is_ready());
        }
    });
    assert_eq!(measure(&mut calls).count_total, made_by_the_harness.count_total);
}

#[test]
fn all_five_are_free() {
    for circuit in [circuit(), circuit().slow_calls(LIMIT, 0.5), circuit().time_window(LIMIT).slow_calls(LIMIT, 0.5)] {
        let stack = ServiceBuilder::new()
            .layer(FallbackLayer::value("instead", ErrorsOnly))
            .layer(TimeoutLayer::new(LIMIT))
            .layer(RetryLayer::new(RetryPolicy::builder().build().unwrap(), ErrorsOnly))
            .layer(breaker(circuit))
            .layer(BulkheadLayer::new(64).unwrap())
            .layer(TimeoutLayer::new(LIMIT))
            .into_inner();
        assert_free(&stack);
    }
}

/// And one that is called again allocates once for each layer that is shared, and then nothing more.
#[test]
fn a_clone_for_each_call_is_free() {
    fn call<S>(runtime: &Runtime, service: &mut S)
    where
        S: Service<(), Response = &'static str, Error = Error<&'static str>>,
    {
        assert!(runtime.block_on(async { service.ready().await?.call(()).await }).is_ok());
    }

    let runtime = runtime();
    let stack = ServiceBuilder::new()
        .layer(FallbackLayer::value("instead", ErrorsOnly))
        .layer(RetryLayer::new(RetryPolicy::builder().build().unwrap(), ErrorsOnly))
        .layer(breaker(circuit()))
        .layer(BulkheadLayer::new(64).unwrap())
        .service_fn(|()| Reply { pends: false });
    call(&runtime, &mut stack.clone());
    assert_eq!(measure(|| (0..CALLS).for_each(|_| call(&runtime, &mut stack.clone()))).count_total, 0);
    let mut kept = stack.clone();
    let made: Vec<_> = (0..4).map(|_| measure(|| call(&runtime, &mut kept)).count_total).collect();
    assert_eq!(made, [0, 4, 0, 0]);
}

#[test]
fn a_layer_for_each_key_is_free_once_it_is_made() {
    let (policy, bulkhead) = (RetryPolicy::builder().build().unwrap(), BulkheadLayer::new(64).unwrap());
    let circuit = circuit().build().unwrap();
    for max_keys in [1, 100] {
        let (policy, bulkhead, circuit) = (policy.clone(), bulkhead.clone(), circuit.clone());
        let turn = std::sync::atomic::AtomicU32::new(0);
        // More keys than there may be: some share a layer.
        let key_of = move |(): &()| turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 3;
        let layer = PerKeyLayer::new(max_keys, key_of, move |_: &u32| {
            let circuit = circuit.sibling("one of many");
            circuit.force_closed();
            ServiceBuilder::new()
                .layer(RetryLayer::new(policy.sibling(), ErrorsOnly))
                .layer(CircuitBreakerLayer::new(circuit, ErrorsOnly))
                .layer(bulkhead.sibling())
                .into_inner()
        });
        let layer = layer.unwrap();
        let at_once: fn(()) -> Reply = |()| Reply { pends: false };
        let allocations = allocations(&mut layer.layer(service_fn(at_once)), Result::is_ok);
        // To ask the stack of the one key whether it may go makes a service of it, each time another finds no room.
        if max_keys > 3 {
            assert_eq!(allocations, 0);
        }
    }
}

#[test]
fn a_rejection_by_an_open_circuit_is_free() {
    let open = circuit().build().unwrap();
    for held in [false, true] {
        if held {
            open.force_open();
        } else {
            open.force_open_for(LIMIT);
        }
        let mut stack = ServiceBuilder::new()
            .layer(RetryLayer::new(RetryPolicy::builder().build().unwrap(), ErrorsOnly))
            .layer(CircuitBreakerLayer::new(open.clone(), ErrorsOnly))
            .service_fn(|()| Reply { pends: false });
        let is_open = |outcome: &Outcome| outcome.as_ref().is_err_and(Error::is_circuit_open);
        // A loop of rejections yields now and then, and a runtime allocates once for its list of those who did.
        assert!(allocations(&mut stack, is_open) <= 1);
    }
}

#[test]
fn a_rejection_by_a_rate_limit_is_free() {
    let layer = RateLimitLayer::new(Rate::per_hour(1).burst(1).unwrap());
    layer.limit().try_acquire(1).unwrap();
    let is_limited = |outcome: &Outcome| outcome.as_ref().is_err_and(Error::is_rate_limited);
    for layer in [layer.clone(), layer.max_wait(LIMIT)] {
        assert_eq!(allocations(&mut layer.layer(service_fn(|()| Reply { pends: false })), is_limited), 0);
        layer.limit().pause_for(Duration::from_secs(3600));
        assert_eq!(allocations(&mut layer.layer(service_fn(|()| Reply { pends: false })), is_limited), 0);
    }
}

#[test]
fn a_rejection_by_a_full_bulkhead_is_free() {
    let mut bulkhead = BulkheadLayer::new(1).unwrap().layer(service_fn(|()| Reply { pends: true }));
    let first = tokio_test::task::spawn(bulkhead.ready()).poll().map_ok(|bulkhead| bulkhead.call(()));
    assert!(first.is_ready());
    assert_eq!(allocations(&mut bulkhead, |outcome| outcome.as_ref().is_err_and(Error::is_bulkhead_full)), 0);
    drop(first);
}

/// A program may have a circuit for each of thousands of hosts, all by the same rules.
#[test]
fn a_circuit_of_a_hundred_calls_fits_in_528_bytes_and_a_sibling_in_336() {
    let held = |make: &dyn Fn() -> Circuit| {
        let mut made = None;
        let info = measure(|| made = Some(make()));
        println!("a circuit of 100 calls: {} bytes in {} allocations", info.bytes_current, info.count_current);
        drop(made);
        info.bytes_current
    };
    let first = circuit().count_window(100).build().unwrap();
    assert!((1..=528).contains(&held(&|| circuit().count_window(100).build().unwrap())));
    assert!((1..=336).contains(&held(&|| first.sibling("one of many"))));
}
