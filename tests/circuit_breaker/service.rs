//! The tower service over a circuit.

use std::cell::Cell;
use std::future::{Ready, ready};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use tower::{Layer, Service, ServiceExt, service_fn};
use windbreak::bulkhead::BulkheadLayer;
use windbreak::circuit_breaker::CircuitBreaker;
use windbreak::rules::rules_fn;
use windbreak::{CircuitBreakerLayer, Error, TimeoutLayer};

use super::*;

type Reply = Result<&'static str, Error<&'static str>>;

/// What the upstream saw, and what it does next.
#[derive(Default)]
struct Upstream {
    busy: Cell<bool>,
    broken: Cell<bool>,
    failing: Cell<bool>,
    polls: Cell<u32>,
    calls: Cell<u32>,
}

/// One connection to it. It insists on being polled ready before each call.
struct Connection {
    upstream: Rc<Upstream>,
    ready: bool,
}

impl Clone for Connection {
    fn clone(&self) -> Self {
        Self { upstream: Rc::clone(&self.upstream), ready: false }
    }
}

impl Service<()> for Connection {
    type Response = &'static str;
    type Error = Error<&'static str>;
    type Future = Ready<Reply>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.upstream.polls.set(self.upstream.polls.get() + 1);
        if self.upstream.broken.get() {
            return Poll::Ready(Err(Error::Service("broken")));
        }
        self.ready = !self.upstream.busy.get();
        if self.ready { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn call(&mut self, (): ()) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called without having been polled ready");
        self.upstream.calls.set(self.upstream.calls.get() + 1);
        ready(if self.upstream.failing.get() { Err(Error::Service("failed")) } else { Ok("fine") })
    }
}

fn guarded(circuit: &Circuit) -> (Rc<Upstream>, CircuitBreaker<Connection, ErrorsOnly>) {
    let upstream = Rc::new(Upstream::default());
    let connection = Connection { upstream: Rc::clone(&upstream), ready: false };
    (upstream, CircuitBreakerLayer::new(circuit.clone(), ErrorsOnly).layer(connection))
}

fn poll_ready(service: &mut CircuitBreaker<Connection, ErrorsOnly>) -> Poll<Result<(), Error<&'static str>>> {
    service.poll_ready(&mut Context::from_waker(Waker::noop()))
}

fn retry_after(reply: Reply) -> Option<Duration> {
    let error = reply.expect_err("rejected");
    assert!(error.is_circuit_open(), "{error:?}");
    error.retry_after()
}

#[tokio::test(start_paused = true)]
async fn a_closed_circuit_passes_readiness_calls_and_results() {
    let circuit = two_strikes().build().unwrap();
    let (upstream, mut service) = guarded(&circuit);
    upstream.busy.set(true);
    assert!(poll_ready(&mut service).is_pending());
    upstream.busy.set(false);
    assert_eq!(poll_ready(&mut service), Poll::Ready(Ok(())));
    assert_eq!(service.call(()).await, Ok("fine"));
    upstream.failing.set(true);
    assert_eq!(service.ready().await.unwrap().call(()).await, Err(Error::Service("failed")));
    assert_eq!(circuit.snapshot().tally, tally(2, 1, 0));
    upstream.broken.set(true);
    assert_eq!(poll_ready(&mut service), Poll::Ready(Err(Error::Service("broken"))));
}

#[tokio::test(start_paused = true)]
async fn an_inner_service_that_fails_to_get_ready_is_a_call_that_failed() {
    let circuit = two_strikes().build().unwrap();
    let (upstream, mut service) = guarded(&circuit);
    upstream.broken.set(true);
    for failures in [1, 2] {
        assert_eq!(poll_ready(&mut service), Poll::Ready(Err(Error::Service("broken"))));
        assert_eq!(circuit.snapshot().tally, tally(failures, failures, 0));
    }
    assert_eq!(circuit.state(), State::Open);

    // Nor does a probe get further.
    advance(10 * SECOND).await;
    assert_eq!(poll_ready(&mut service), Poll::Ready(Ok(())));
    assert_eq!(retry_after(service.call(()).await), Some(10 * SECOND));
    assert_eq!(circuit.snapshot().tally, tally(1, 1, 0));
    assert_eq!(upstream.calls.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_poll_ready_that_the_rules_ignore_counts_for_nothing() {
    let circuit = two_strikes().build().unwrap();
    let full = tower::service_fn(|()| ready(Reply::Ok("fine")));
    let inner = CircuitBreakerLayer::new(circuit.clone(), ErrorsOnly).layer(Rejects(full));
    assert!(inner.oneshot(()).await.unwrap_err().is_bulkhead_full());
    assert_eq!(circuit.snapshot().tally, tally(0, 0, 0));
}

/// Is never ready, and says so by a rejection of windbreak's.
struct Rejects<S>(S);

impl<S> Service<()> for Rejects<S>
where
    S: Service<(), Error = Error<&'static str>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Err(Rejection::bulkhead_full(1).into()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        self.0.call(())
    }
}

#[tokio::test(start_paused = true)]
async fn while_open_it_is_ready_at_once_without_asking_the_inner_service() {
    let circuit = two_strikes().build().unwrap();
    let (upstream, mut service) = guarded(&circuit);
    upstream.busy.set(true);
    trip(&circuit);
    advance(4 * SECOND).await;
    assert_eq!(poll_ready(&mut service), Poll::Ready(Ok(())));
    assert_eq!(poll_ready(&mut service), Poll::Ready(Ok(())));
    assert_eq!(retry_after(service.call(()).await), Some(6 * SECOND));
    assert_eq!((upstream.polls.get(), upstream.calls.get()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn while_all_probes_are_out_it_is_ready_at_once_and_rejects() {
    let circuit = two_strikes().build().unwrap();
    let (upstream, mut service) = guarded(&circuit);
    trip_and_wait(&circuit).await;
    let probe = admitted(&circuit);
    assert_eq!(poll_ready(&mut service), Poll::Ready(Ok(())));
    assert_eq!(retry_after(service.call(()).await), None);
    assert_eq!((upstream.polls.get(), upstream.calls.get()), (0, 0));
    drop(probe);
    assert_eq!(service.ready().await.unwrap().call(()).await, Ok("fine"));
}

#[tokio::test(start_paused = true)]
async fn a_call_after_the_wait_is_admitted_though_poll_ready_came_before_its_end() {
    let circuit = two_strikes().build().unwrap();
    let (upstream, mut service) = guarded(&circuit);
    trip(&circuit);
    advance(just_before(10 * SECOND)).await;
    assert_eq!(poll_ready(&mut service), Poll::Ready(Ok(())));
    advance(NANOSECOND).await;
    assert_eq!(service.call(()).await, Ok("fine"));
    assert_eq!((upstream.polls.get(), upstream.calls.get()), (1, 1), "asked by the call");
    assert_eq!(circuit.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_rejection_says_how_long_the_wait_is_when_it_is_called() {
    let circuit = two_strikes().build().unwrap();
    let (_, mut service) = guarded(&circuit);
    trip(&circuit);
    assert_eq!(poll_ready(&mut service), Poll::Ready(Ok(())));
    advance(9 * SECOND).await;
    assert_eq!(retry_after(service.call(()).await), Some(SECOND), "and not 10 s, as at poll_ready");
}

#[tokio::test(start_paused = true)]
async fn a_call_is_admitted_once_the_circuit_was_switched_since_poll_ready() {
    let switches: [fn(&Circuit); 3] = [Circuit::reset, Circuit::force_closed, Circuit::observe_only];
    for switch in switches {
        let circuit = two_strikes().build().unwrap();
        let (upstream, mut service) = guarded(&circuit);
        circuit.force_open();
        assert_eq!(poll_ready(&mut service), Poll::Ready(Ok(())));
        switch(&circuit);
        assert_eq!(service.call(()).await, Ok("fine"));
        assert_eq!((upstream.polls.get(), upstream.calls.get()), (1, 1));
    }
}

/// The call finds the inner service busy and rejects. From then on the wait is known to be over, and the inner service is
/// waited for.
#[tokio::test(start_paused = true)]
async fn once_the_wait_is_over_a_busy_inner_service_rejects_one_call_and_is_then_waited_for() {
    let circuit = two_strikes().build().unwrap();
    let (upstream, mut service) = guarded(&circuit);
    trip_and_wait(&circuit).await;
    upstream.busy.set(true);
    assert_eq!(poll_ready(&mut service), Poll::Ready(Ok(())));
    assert_eq!(retry_after(service.call(()).await), Some(Duration::ZERO), "the circuit would admit it");
    for mut service in [service.clone(), service] {
        assert!(poll_ready(&mut service).is_pending());
        assert_eq!(circuit.state(), State::Open, "a request that waits for its turn is no probe yet");
        upstream.busy.set(false);
        assert_eq!(poll_ready(&mut service), Poll::Ready(Ok(())));
        upstream.busy.set(true);
    }
    upstream.busy.set(false);
    let (_, mut service) = (upstream, guarded(&circuit).1);
    assert_eq!(poll_ready(&mut service), Poll::Ready(Ok(())));
    assert_eq!(service.call(()).await, Ok("fine"));
    assert_eq!(circuit.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_circuit_that_opens_after_poll_ready_rejects_the_call() {
    let circuit = two_strikes().build().unwrap();
    let (upstream, mut service) = guarded(&circuit);
    assert_eq!(poll_ready(&mut service), Poll::Ready(Ok(())));
    trip(&circuit);
    assert_eq!(retry_after(service.call(()).await), Some(10 * SECOND));
    assert_eq!(upstream.calls.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_last_readiness_holds_and_not_an_earlier_one() {
    let circuit = two_strikes().build().unwrap();
    let (upstream, mut service) = guarded(&circuit);
    circuit.force_open();
    assert_eq!(poll_ready(&mut service), Poll::Ready(Ok(())));
    circuit.reset();
    assert_eq!(poll_ready(&mut service), Poll::Ready(Ok(())));
    assert_eq!(service.call(()).await, Ok("fine"));
    assert_eq!(upstream.calls.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_clone_shares_the_circuit_and_not_the_readiness() {
    let circuit = two_strikes().build().unwrap();
    let (upstream, mut service) = guarded(&circuit);
    trip(&circuit);
    assert_eq!(poll_ready(&mut service), Poll::Ready(Ok(())));
    let mut clone = service.clone();
    circuit.reset();
    // The clone has been told nothing: it reaches the connection, which was not asked and says so.
    let unasked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| clone.call(())));
    assert!(unasked.is_err());
    assert_eq!(clone.circuit().snapshot().tally, tally(1, 1, 0));

    assert_eq!(clone.ready().await.unwrap().call(()).await, Ok("fine"));
    assert_eq!(service.call(()).await, Ok("fine"), "the original asks its connection");
    assert_eq!(upstream.calls.get(), 2);
}

#[tokio::test(start_paused = true)]
async fn all_services_of_a_layer_share_its_circuit() {
    let circuit = two_strikes().build().unwrap();
    let layer = CircuitBreakerLayer::new(circuit.clone(), ErrorsOnly);
    let failing = || service_fn(|()| ready(Reply::Err(Error::Service("failed"))));
    for mut service in [layer.layer(failing()), layer.clone().layer(failing())] {
        assert!(service.ready().await.unwrap().call(()).await.unwrap_err().service().is_some());
    }
    assert_eq!(circuit.state(), State::Open);
    assert!(layer.layer(failing()).oneshot(()).await.unwrap_err().is_circuit_open());
}

#[tokio::test(start_paused = true)]
async fn the_default_classifier_counts_timeouts_and_not_what_windbreak_rejects() {
    let circuit = two_strikes().count_window(4).build().unwrap();
    let hangs = service_fn(|()| std::future::pending::<Reply>());

    let timeout = TimeoutLayer::new(SECOND).layer(hangs);
    let reply = CircuitBreakerLayer::new(circuit.clone(), ErrorsOnly).layer(timeout).oneshot(()).await;
    assert!(reply.unwrap_err().is_timeout());
    assert_eq!(circuit.snapshot().tally, tally(1, 1, 0));

    let bulkhead = BulkheadLayer::new(1).unwrap();
    let mut full = CircuitBreakerLayer::new(circuit.clone(), ErrorsOnly).layer(bulkhead.layer(hangs));
    let first = tokio::spawn(full.ready().await.unwrap().call(()));
    tokio::task::yield_now().await;
    assert!(full.ready().await.unwrap().call(()).await.unwrap_err().is_bulkhead_full());

    let other = two_strikes().build().unwrap();
    other.force_open();
    let nested = CircuitBreakerLayer::new(other, ErrorsOnly).layer(hangs);
    let reply = CircuitBreakerLayer::new(circuit.clone(), ErrorsOnly).layer(nested).oneshot(()).await;
    assert!(reply.unwrap_err().is_circuit_open());

    assert_eq!(circuit.snapshot().tally, tally(1, 1, 0));
    first.abort();
}

#[tokio::test(start_paused = true)]
async fn a_classifier_of_ones_own_decides() {
    let circuit = two_strikes().count_window(4).build().unwrap();
    let layer = CircuitBreakerLayer::new(
        circuit.clone(),
        rules_fn(|result: Result<&u16, &Error<()>>| match result {
            Ok(500..) => failure(),
            Ok(400..500) => Verdict::Declined,
            Ok(_) => Verdict::Success,
            Err(_) => Verdict::Ignored,
        }),
    );
    let mut service =
        layer.layer(service_fn(|status: u16| ready(if status == 0 { Err(Error::Service(())) } else { Ok(status) })));
    for status in [500, 404, 200, 0] {
        let _ = service.ready().await.unwrap().call(status).await;
    }
    assert_eq!(circuit.snapshot().tally, tally(3, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn the_time_of_a_call_runs_from_the_call_to_the_response() {
    let circuit = two_strikes().slow_calls(SECOND, 1.0).build().unwrap();
    let layer = CircuitBreakerLayer::new(circuit.clone(), ErrorsOnly);
    let mut service = layer.layer(service_fn(|duration: Duration| async move {
        tokio::time::sleep(duration).await;
        Ok::<_, Error<()>>(())
    }));
    // Time between ready and call is nobody's.
    let service = service.ready().await.unwrap();
    advance(5 * SECOND).await;
    service.call(SECOND).await.unwrap();
    assert_eq!(circuit.snapshot().tally, tally(1, 0, 0));
    service.ready().await.unwrap().call(SECOND + Duration::from_millis(1)).await.unwrap();
    assert_eq!(circuit.snapshot().tally, tally(2, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn the_wrapped_service_can_be_reached() {
    let circuit = two_strikes().build().unwrap();
    let (upstream, mut service) = guarded(&circuit);
    assert_eq!(service.circuit().name(), "upstream");
    assert!(Rc::ptr_eq(&service.get_ref().upstream, &upstream));
    service.get_mut().ready = true;
    assert!(service.into_inner().ready);
}
