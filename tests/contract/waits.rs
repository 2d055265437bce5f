//! A wait in a queue of our own is no slowness of the upstream: the real queues, below the real breaker.

use std::future::pending;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tower::{Layer as _, Service, ServiceBuilder, ServiceExt as _, service_fn};
use windbreak::circuit_breaker::State;
use windbreak::rate_limit::Rate;
use windbreak::rules::ErrorsOnly;
use windbreak::{BulkheadLayer, Circuit, CircuitBreakerLayer, Error, RateLimitLayer};

const SECOND: Duration = Duration::from_secs(1);

/// Takes a call for slow after a second, or for abandoned, and opens at the second.
fn circuit() -> Circuit {
    let circuit = Circuit::builder("upstream").count_window(10).minimum_calls(2).failure_ratio(0.2);
    circuit.slow_calls(SECOND, 0.2).abandoned_after(SECOND).build().expect("valid")
}

/// Replies within half a second.
fn upstream() -> impl Service<(), Response = (), Error = Error<&'static str>, Future: Send> + Clone + Send + 'static {
    service_fn(|()| async {
        sleep(SECOND / 2).await;
        Ok(())
    })
}

#[tokio::test(start_paused = true)]
async fn a_full_bulkhead_opens_no_circuit_of_a_healthy_upstream() {
    let circuit = circuit();
    let client = ServiceBuilder::new()
        .layer(CircuitBreakerLayer::new(circuit.clone(), ErrorsOnly))
        .layer(BulkheadLayer::new(1).expect("valid").max_wait(60 * SECOND))
        .service(upstream());
    let mut running: JoinSet<_> = (0..40).map(|_| client.clone().oneshot(())).collect();
    while let Some(result) = running.join_next().await {
        result.expect("no panic").expect("it waited 20 s at the most");
    }
    let tally = circuit.snapshot().tally;
    assert_eq!((circuit.state(), tally.calls, tally.slow), (State::Closed, 10, 0));
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_the_rate_opens_no_circuit_of_a_healthy_upstream() {
    let circuit = circuit();
    let client = ServiceBuilder::new()
        .layer(CircuitBreakerLayer::new(circuit.clone(), ErrorsOnly))
        .layer(RateLimitLayer::new(Rate::per_second(1).burst(1).expect("valid")).max_wait(60 * SECOND))
        .service(upstream());
    let mut running: JoinSet<_> = (0..20).map(|_| client.clone().oneshot(())).collect();
    while let Some(result) = running.join_next().await {
        result.expect("no panic").expect("it waited 20 s at the most");
    }
    let tally = circuit.snapshot().tally;
    assert_eq!((circuit.state(), tally.calls, tally.slow), (State::Closed, 10, 0));
}

#[tokio::test(start_paused = true)]
async fn requests_that_are_cancelled_in_a_queue_open_no_circuit() {
    let bulkhead = BulkheadLayer::new(1).expect("valid").max_wait(60 * SECOND);
    let rate = RateLimitLayer::new(Rate::per_hour(1).burst(1).expect("valid")).max_wait(Duration::MAX);
    let mut holder = bulkhead.layer(service_fn(|()| pending::<Result<(), Error<&'static str>>>()));
    let _held = holder.ready().await.expect("ready").call(());
    rate.layer(upstream()).oneshot(()).await.expect("the burst is one");

    let circuit = circuit();
    let breaker = CircuitBreakerLayer::new(circuit.clone(), ErrorsOnly);
    let of_bulkhead = ServiceBuilder::new().layer(breaker.clone()).layer(bulkhead).service(upstream());
    let of_rate = ServiceBuilder::new().layer(breaker).layer(rate).service(upstream());
    for _ in 0..20 {
        timeout(5 * SECOND, of_bulkhead.clone().oneshot(())).await.expect_err("the bulkhead is full");
        timeout(5 * SECOND, of_rate.clone().oneshot(())).await.expect_err("the rate is used up");
    }
    let tally = circuit.snapshot().tally;
    assert_eq!((circuit.state(), tally.calls), (State::Closed, 0));
}
