//! What the windows, each layer and the stack of five cost, beside the bare call and tower's own layers.
//!
//! `cargo bench` for figures, `cargo bench -- --quick` to see that it works.
//!
//! How these figures flatter, and how they do not:
//!
//! - The callee does nothing and answers at once; each call is polled by hand on one thread. So caches are warm,
//!   branches are predicted, nothing is contended and no timer is started. "pends once" starts the timers; still none
//!   of them fires. Two threads, and other crates, are in `cargo run --release -p peers`.
//! - "healthy" breakers have seen successes only, which is the cheapest a count window can be; "1 call in 100 fails" is
//!   what it costs once there is anything to count.
//! - tower's layers do less: its timeout has a box for an error, its retry here no budget and no pause, its limit
//!   queues where the bulkhead rejects. Its timeout starts a timer for every call; windbreak's does when a call pends.
//! - The tests' dependencies are compiled in, so tokio's `Instant::now` has its hook for paused time: see the
//!   yardsticks. It is in everything that reads the clock: time windows, open circuits, timers.
//! - The yardsticks are what a figure can be made of. An atomic addition costs four times as much on one machine as on
//!   another; compare figures of two machines by them.

#[path = "harness/mod.rs"]
mod harness;

use std::future::{Ready, ready};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::time::Instant;
use tower::retry::Policy;
use tower::{Service, ServiceBuilder};
use windbreak::circuit_breaker::CircuitBuilder;
use windbreak::rules::ErrorsOnly;
use windbreak::window::{CountWindow, Outcome, TimeWindow};
use windbreak::{
    BulkheadLayer, Circuit, CircuitBreakerLayer, DeadLetterLayer, Error, Failover, FallbackLayer, RetryLayer,
    RetryPolicy, Saga, SagaError, TimeoutLayer, Verified, VerifyLayer,
};

use harness::callees::{FAILING, Failed, FailsOneIn, HEALTHY, PendsOnce};
use harness::{Contender, Pace, make_calls, print, race, timed};

/// Long enough that nothing ends while it is measured.
const LONG: Duration = Duration::from_secs(3600);
const IN_FLIGHT: usize = 64;
const ATTEMPTS: u32 = 3;

fn main() {
    // `cargo bench` says `--bench`; whoever runs it otherwise, as a test, wants to know that it works.
    let given = |argument: &str| std::env::args().any(|given| given == argument);
    let rounds = if given("--bench") && !given("--quick") { 2000 } else { 20 };
    let pace = Pace { rounds, calls: 500 };
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime needs nothing but memory");
    // Timers are made in a runtime and registered with it; it is never run.
    let _context = runtime.enter();

    print("yardsticks", &race(yardsticks(), pace));
    print("windows: one call recorded", &race(windows(), pace));
    print("layers over a callee that is ready", &race(layers(HEALTHY), pace));
    print("layers over a callee that pends once", &race(layers(PendsOnce), pace));
    print("circuit breakers", &race(breakers(), pace));
    print("what watches over payments", &race(payments(), pace));
}

/// Runs `step` as often as there are calls to make.
fn repeated<'a>(name: &str, mut step: impl FnMut() + 'a) -> Contender<'a> {
    let run = move |calls| {
        Some(timed(|| {
            for _ in 0..calls {
                step();
            }
        }))
    };
    Contender { name: name.to_owned(), run: Box::new(run) }
}

fn called<S: Service<u64> + 'static>(name: &str, mut service: S) -> Contender<'static> {
    // More than any window holds.
    make_calls(&mut service, 1000);
    Contender { name: name.to_owned(), run: Box::new(move |calls| Some(timed(|| make_calls(&mut service, calls)))) }
}

#[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "to compare tokio's with it")]
fn yardsticks() -> Vec<Contender<'static>> {
    let (number, shared, locked) = (AtomicU64::new(0), Arc::new(0_u64), Mutex::new(0_u64));
    let loaded = AtomicU64::new(0);
    vec![
        repeated("nothing", || {
            black_box(());
        }),
        repeated("atomic load", move || {
            black_box(black_box(&loaded).load(Ordering::Relaxed));
        }),
        repeated("atomic addition", move || {
            black_box(black_box(&number).fetch_add(1, Ordering::Relaxed));
        }),
        repeated("Arc cloned and dropped", move || {
            black_box(Arc::clone(black_box(&shared)));
        }),
        repeated("Mutex locked and unlocked", move || {
            *black_box(&locked).lock().unwrap_or_else(PoisonError::into_inner) += 1;
        }),
        repeated("std Instant::now", || {
            black_box(std::time::Instant::now());
        }),
        repeated("tokio Instant::now", || {
            black_box(Instant::now());
        }),
    ]
}

fn windows() -> Vec<Contender<'static>> {
    let count = |calls| CountWindow::last(calls).expect("its number is valid");
    let (mut hundred, mut largest) = (count(100), count(65_536));
    let time = TimeWindow::last(LONG, 10).expect("its numbers are valid");
    let (mut time_given, mut time_read) = (time.clone(), time);
    let now = Instant::now();
    vec![
        repeated("nothing", || {
            black_box(());
        }),
        repeated("count window of 100", move || {
            black_box(black_box(&mut hundred).record(black_box(Outcome::FAILURE)));
        }),
        repeated("count window of 65,536", move || {
            black_box(black_box(&mut largest).record(black_box(Outcome::FAILURE)));
        }),
        repeated("time window, the clock not read", move || {
            black_box(black_box(&mut time_given).record(black_box(Outcome::FAILURE), black_box(now)));
        }),
        repeated("time window, the clock read", move || {
            black_box(black_box(&mut time_read).record(black_box(Outcome::FAILURE), Instant::now()));
        }),
    ]
}

fn circuit(window: impl FnOnce(CircuitBuilder) -> CircuitBuilder) -> CircuitBreakerLayer<ErrorsOnly> {
    let circuit = window(Circuit::builder("callee").open_for(LONG));
    CircuitBreakerLayer::new(circuit.build().expect("its numbers are valid"), ErrorsOnly)
}

fn retry() -> RetryLayer<ErrorsOnly> {
    let policy = RetryPolicy::builder().max_attempts(ATTEMPTS);
    RetryLayer::new(policy.build().expect("its numbers are valid"), ErrorsOnly)
}

fn bulkhead() -> BulkheadLayer {
    BulkheadLayer::new(IN_FLIGHT).expect("its number is valid")
}

fn layers<S>(callee: S) -> Vec<Contender<'static>>
where
    S: Service<u64, Response = u64, Error = Failed> + Copy + 'static,
{
    let inner = ServiceBuilder::new().map_err(Error::Service).service(callee);
    let new = ServiceBuilder::new;
    let five = new().layer(FallbackLayer::value(0, ErrorsOnly)).layer(TimeoutLayer::new(LONG)).layer(retry());
    let five = five.layer(circuit(|circuit| circuit)).layer(bulkhead()).service(inner.clone());
    vec![
        called("bare call", callee),
        called("map_err", inner.clone()),
        called("fallback", new().layer(FallbackLayer::value(0, ErrorsOnly)).service(inner.clone())),
        called("timeout", new().layer(TimeoutLayer::new(LONG)).service(inner.clone())),
        called("tower: timeout", new().timeout(LONG).service(callee)),
        called("retry", new().layer(retry()).service(inner.clone())),
        called("tower: retry", new().retry(Attempts(ATTEMPTS)).service(callee)),
        called("circuit breaker", new().layer(circuit(|circuit| circuit)).service(inner.clone())),
        called("bulkhead", new().layer(bulkhead()).service(inner)),
        called("tower: concurrency limit", new().concurrency_limit(IN_FLIGHT).service(callee)),
        called("all five", five),
        called(
            "tower: all three",
            new().timeout(LONG).retry(Attempts(ATTEMPTS)).concurrency_limit(IN_FLIGHT).service(callee),
        ),
    ]
}

/// The healthy way through a saga: three steps that succeed, each with an undo.
async fn saga(request: u64) -> Result<u64, SagaError<Failed>> {
    let mut saga = Saga::new("order");
    for step in ["quota", "charge", "mail"] {
        saga.step(step, ready(Ok(request))).undo(|_| ready(Ok::<_, Failed>(()))).await?;
    }
    saga.finish().expect("every step succeeded");
    Ok(request)
}

/// They copy each request, because none says that it is safe.
fn payments() -> Vec<Contender<'static>> {
    let inner = ServiceBuilder::new().map_err(Error::Service).service(HEALTHY);
    let new = ServiceBuilder::new;
    let verify = VerifyLayer::new(ErrorsOnly, |_: u64, _| ready(Ok::<_, std::io::Error>(Verified::Unknown)));
    let dead_letter = DeadLetterLayer::new(ErrorsOnly, tokio::sync::mpsc::channel(1).0);
    let failover = Failover::new("two", ErrorsOnly).to("first", inner.clone()).to("second", inner.clone());
    vec![
        called("bare call", HEALTHY),
        called("verify", new().layer(verify).service(inner.clone())),
        called("dead letter", new().layer(dead_letter).service(inner)),
        called("failover, boxed", failover.build().expect("two providers are valid")),
        called("saga of three steps", tower::service_fn(saga)),
    ]
}

fn breakers() -> Vec<Contender<'static>> {
    let over = |window: fn(CircuitBuilder) -> CircuitBuilder| ServiceBuilder::new().layer(circuit(window));
    let inner = ServiceBuilder::new().map_err(Error::Service);
    vec![
        called("bare call", HEALTHY),
        called("count window, healthy", over(|of| of).service(inner.clone().service(HEALTHY))),
        called("count window, 1 call in 100 fails", over(|of| of).service(inner.clone().service(FailsOneIn::<100>))),
        called("time window", over(|of| of.time_window(LONG)).service(inner.clone().service(HEALTHY))),
        called("slow calls judged", over(|of| of.slow_calls(LONG, 1.0)).service(inner.clone().service(HEALTHY))),
        called("open", over(|of| of).service(inner.service(FAILING))),
    ]
}

/// The simplest policy for tower's `Retry`: as many attempts as windbreak makes, and no budget.
#[derive(Debug, Clone)]
struct Attempts(u32);

impl<E> Policy<u64, u64, E> for Attempts {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut u64, result: &mut Result<u64, E>) -> Option<Self::Future> {
        self.0 -= 1;
        (result.is_err() && self.0 > 0).then(|| ready(()))
    }

    fn clone_request(&mut self, request: &u64) -> Option<u64> {
        Some(*request)
    }
}
