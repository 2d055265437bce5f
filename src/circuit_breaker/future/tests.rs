//! Time that our own layers made a call wait. From outside it takes a second layer to show it.

use std::convert::Infallible;
use std::future::pending;
use std::pin::pin;
use std::task::Waker;
use std::time::Duration;

use tokio::time::advance;
use tower::{Layer, Service, service_fn};

use super::*;
use crate::circuit_breaker::{Circuit, CircuitBreakerLayer, CircuitBuilder};
use crate::deadline::report_wait;
use crate::error::Error;
use crate::rules::ErrorsOnly;
use crate::window::Tally;

const SECOND: Duration = Duration::from_secs(1);
const NANOSECOND: Duration = Duration::from_nanos(1);

type Response = Result<(), Error<Infallible>>;

/// Waits in a queue of ours for ever. Dropped, it reports how long it waited.
struct Queued(Instant);

impl Future for Queued {
    type Output = Response;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Response> {
        Poll::Pending
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        report_wait(self.0.elapsed());
    }
}

fn circuit() -> CircuitBuilder {
    Circuit::builder("upstream").count_window(2).failure_ratio(1.0).slow_calls(SECOND, 1.0)
}

fn call<F>(circuit: &Circuit, future: F) -> ResponseFuture<F, ErrorsOnly>
where
    F: Future<Output = Response>,
{
    let mut future = Some(future);
    let inner = service_fn(move |()| future.take().expect("one call"));
    CircuitBreakerLayer::new(circuit.clone(), ErrorsOnly).layer(inner).call(())
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Reports a wait on its first poll, and is ready on the second.
fn waits_for(wait: Duration) -> impl Future<Output = Response> {
    let mut polls = 0;
    std::future::poll_fn(move |_| {
        polls += 1;
        if polls == 1 {
            report_wait(wait);
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    })
}

fn tally(circuit: &Circuit) -> Tally {
    circuit.snapshot().tally
}

#[tokio::test(start_paused = true)]
async fn a_wait_in_a_queue_of_ours_is_no_slowness() {
    for (took, slow) in [(6 * SECOND, 0), (6 * SECOND + NANOSECOND, 1)] {
        let circuit = circuit().build().unwrap();
        let mut response = pin!(call(&circuit, waits_for(5 * SECOND)));
        assert!(poll(response.as_mut()).is_pending());
        advance(took).await;
        assert!(poll(response.as_mut()).is_ready());
        assert_eq!(tally(&circuit), Tally::new(1, 0, slow));
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_cancelled_in_a_queue_of_ours_is_neither_slow_nor_abandoned() {
    for builder in [circuit(), circuit().abandoned_after(SECOND)] {
        let circuit = builder.build().unwrap();
        let mut response = Box::pin(call(&circuit, Queued(Instant::now())));
        assert!(poll(response.as_mut()).is_pending());
        advance(50 * SECOND).await;
        drop(response);
        assert_eq!(tally(&circuit), Tally::new(0, 0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_cancelled_in_a_queue_of_ours_took_no_time_of_the_upstream() {
    let circuit = Circuit::builder("upstream").probes(1).probe_timeout(5 * SECOND).build().unwrap();
    circuit.force_open_for(Duration::ZERO);
    for _ in 0..10 {
        let mut response = Box::pin(call(&circuit, Queued(Instant::now())));
        assert!(poll(response.as_mut()).is_pending());
        advance(4 * SECOND).await;
        drop(response);
        assert_eq!(tally(&circuit), Tally::new(0, 0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn who_measures_further_out_learns_of_it_too() {
    let [inner, outer] = [circuit().build().unwrap(), circuit().build().unwrap()];
    let mut response = pin!(call(&outer, call(&inner, waits_for(5 * SECOND))));
    assert!(poll(response.as_mut()).is_pending());
    advance(6 * SECOND).await;
    assert!(poll(response.as_mut()).is_ready());
    for circuit in [inner, outer] {
        assert_eq!(tally(&circuit), Tally::new(1, 0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn an_inner_future_that_panics_as_it_is_dropped_gives_the_place_back() {
    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            std::panic::resume_unwind(Box::new("the upstream"));
        }
    }

    let circuit = circuit().probes(1).build().unwrap();
    circuit.force_open_for(Duration::ZERO);
    let bomb = Bomb;
    let response = Box::pin(call(&circuit, async move {
        let _bomb = bomb;
        pending::<Response>().await
    }));
    let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(response)));
    assert!(dropped.is_err());
    assert!(circuit.acquire().is_ok());
}
