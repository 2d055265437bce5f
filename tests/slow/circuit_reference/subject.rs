//! The circuit under test gives permits and responds through a service, and its calls end as they are told to.

use std::cell::Cell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use tokio::task::unconstrained;
use tower::{Layer, Service, service_fn};
use windbreak::circuit_breaker::{Permit, StateWatcher};
use windbreak::rules::Classify;
use windbreak::window::Tally;
use windbreak::{Circuit, CircuitBreakerLayer, Effect, Error, Failure, Rejection, Verdict};

use super::calls::End;
use super::operator::Switch;
use super::rules::Rules;

/// How a call under way is told to end.
type Script = Rc<Cell<Option<End>>>;

struct Scripted(Script);

impl Future for Scripted {
    type Output = Result<Verdict, Error<()>>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        match self.0.get() {
            Some(End::Says(verdict)) => Poll::Ready(Ok(verdict)),
            // Unlike `panic!` it prints nothing.
            Some(End::Panics) => resume_unwind(Box::new(())),
            Some(End::IsCancelled) | None => Poll::Pending,
        }
    }
}

/// The response is the verdict.
#[derive(Clone)]
struct AsTold;

impl Classify<Verdict, Error<()>> for AsTold {
    fn classify(&self, result: Result<&Verdict, &Error<()>>) -> Verdict {
        *result.expect("the upstream responds")
    }
}

pub(super) enum Held {
    Permit(Permit),
    Response(Script, Pin<Box<dyn Future<Output = Result<Verdict, Error<()>>>>>),
}

impl Held {
    pub(super) fn finish(self, end: End) {
        match (self, end) {
            (Self::Permit(permit), End::Says(verdict)) => permit.record(verdict),
            (Self::Permit(permit), End::Panics) => permit.record(Verdict::Failure(Failure::new(Effect::Unknown))),
            (_, End::IsCancelled) => {}
            (Self::Response(script, mut response), end) => {
                script.set(Some(end));
                let mut context = Context::from_waker(Waker::noop());
                let polled = catch_unwind(AssertUnwindSafe(|| response.as_mut().poll(&mut context)));
                assert_eq!(polled.is_err(), end == End::Panics);
            }
        }
    }
}

pub(super) struct Subject {
    pub(super) circuit: Circuit,
    pub(super) states: StateWatcher,
    pub(super) held: Vec<Held>,
}

impl Subject {
    pub(super) fn new(rules: &Rules) -> Self {
        let circuit = rules.builder().build().expect("the rules are valid");
        let states = circuit.subscribe();
        // The first look puts the edges of a time window in place.
        assert_eq!(circuit.snapshot().tally, Tally::default());
        Self { circuit, states, held: Vec::new() }
    }

    pub(super) fn acquire(&mut self, through_a_service: bool) -> Result<(), Rejection> {
        self.held.push(if through_a_service { self.call()? } else { Held::Permit(self.circuit.acquire()?) });
        Ok(())
    }

    /// While the circuit recovers chance decides; so it is asked until it says yes, to be where the reference is.
    pub(super) fn acquire_at_last(&mut self, through_a_service: bool) {
        for _ in 0..10_000 {
            match self.acquire(through_a_service) {
                Ok(()) => return,
                Err(Rejection::CircuitOpen { retry_after, .. }) => assert_eq!(retry_after, None),
                Err(other) => panic!("{other:?}"),
            }
        }
        panic!("of 10,000 requests at least a tenth is admitted");
    }

    fn call(&self) -> Result<Held, Rejection> {
        let mut context = Context::from_waker(Waker::noop());
        let mut service =
            CircuitBreakerLayer::new(self.circuit.clone(), AsTold).layer(service_fn(|script: Script| Scripted(script)));
        assert!(service.poll_ready(&mut context).is_ready());
        let script = Script::default();
        // A rejection spends the budget of the task, which is that of the whole walk.
        let mut response = Box::pin(unconstrained(service.call(Rc::clone(&script))));
        match response.as_mut().poll(&mut context) {
            Poll::Pending => Ok(Held::Response(script, response)),
            Poll::Ready(Err(Error::Rejected(rejection))) => Err(rejection),
            Poll::Ready(other) => panic!("answered {other:?} without being told to"),
        }
    }

    pub(super) fn operate(&self, switch: Switch) {
        match switch {
            Switch::ForceOpen => self.circuit.force_open(),
            Switch::ForceClosed => self.circuit.force_closed(),
            Switch::ObserveOnly => self.circuit.observe_only(),
            Switch::OpenFor(wait) => self.circuit.force_open_for(wait),
            Switch::Reset => self.circuit.reset(),
        }
    }
}
