use std::task::{Context, Poll, Waker, ready};

use tower_service::Service;

use super::admission::Admission;
use super::breaker::Breaker;
use super::circuit::Circuit;
use super::future::ResponseFuture;
use super::ticket::Refusal;
use super::wait::Wait;
use super::word::Readiness;
use crate::error::Rejectable;
use crate::instance::Instance;
use crate::macros::service_accessors;
use crate::rules::{Classify, Verdict};

/// A service behind a [`Circuit`]. Made by [`CircuitBreakerLayer`](super::CircuitBreakerLayer).
///
/// Clones share the circuit.
#[derive(Debug)]
pub struct CircuitBreaker<S, R> {
    inner: S,
    breaker: Instance<Breaker<R>>,
    /// `poll_ready` did not ask the inner service, because the circuit is open.
    unasked: bool,
    wait: Option<Wait>,
}

impl<S, R> CircuitBreaker<S, R> {
    pub(super) const fn new(inner: S, breaker: Instance<Breaker<R>>) -> Self {
        Self { inner, breaker, unasked: false, wait: None }
    }

    /// The circuit.
    #[must_use]
    pub fn circuit(&self) -> &Circuit {
        &self.breaker.circuit
    }
}

service_accessors!(CircuitBreaker<S, R>);

/// A clone starts unpolled.
impl<S: Clone, R> Clone for CircuitBreaker<S, R> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.breaker.clone())
    }
}

impl<S, R> CircuitBreaker<S, R> {
    /// Decides, while the circuit is not closed, whether the inner service is asked. Pending until the circuit admits a
    /// request, if it is to be.
    #[cold]
    fn poll_unasked(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.breaker.pending_while_open {
            ready!(self.poll_admission(cx));
        } else {
            self.unasked = self.breaker.circuit.shared().rejects();
        }
        Poll::Ready(())
    }

    /// Waits until the circuit admits a request.
    fn poll_admission(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let shared = self.breaker.circuit.shared();
        while shared.refusal().is_some() {
            // Kept from the last time, or made before the circuit is asked again.
            let Some(wait) = &mut self.wait else {
                self.wait = Some(Wait::new(&self.breaker.circuit));
                continue;
            };
            ready!(wait.poll(cx));
            self.wait = None;
        }
        self.wait = None;
        Poll::Ready(())
    }

    #[inline(always)]
    fn poll_inner<Request>(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>>
    where
        S: Service<Request>,
        R: Classify<S::Response, S::Error>,
    {
        match self.inner.poll_ready(cx) {
            Poll::Ready(Err(error)) => {
                self.count(&error);
                Poll::Ready(Err(error))
            }
            polled => polled,
        }
    }

    /// Records an error of the inner service's `poll_ready` as a call that failed, unless the rules ignore it.
    #[cold]
    fn count<T, E>(&self, error: &E)
    where
        R: Classify<T, E>,
    {
        let (shared, rules) = (self.breaker.circuit.shared(), &self.breaker.rules);
        let verdict = rules.classify(Err(error));
        if let (Verdict::Failure(_), Ok(ticket)) = (verdict, shared.acquire()) {
            shared.record(ticket, None, verdict, || Some(rules.error_type(Err(error))));
        }
    }

    /// The circuit was open at `poll_ready`: asks again, and now asks the inner service too.
    #[cold]
    fn ask_again<Request>(&mut self) -> Result<(), Refusal>
    where
        S: Service<Request>,
        R: Classify<S::Response, S::Error>,
    {
        let shared = self.breaker.circuit.shared();
        if let Some(refusal) = shared.refusal() {
            return Err(refusal);
        }
        // Nobody has to be woken: whoever is rejected now polls again before the next call.
        match self.poll_inner(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => Ok(()),
            Poll::Ready(Err(_)) => Err(self.breaker.circuit.shared().refusal().unwrap_or(Refusal::NOW)),
            Poll::Pending => {
                self.breaker.circuit.shared().note_due();
                Err(Refusal::NOW)
            }
        }
    }
}

impl<S, R, Request> Service<Request> for CircuitBreaker<S, R>
where
    S: Service<Request>,
    S::Error: Rejectable,
    R: Classify<S::Response, S::Error>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, R>;

    /// While the circuit is open it is ready at once, without asking the inner service. The call then asks the circuit
    /// again; if that admits the request by now, and the inner service is ready, it is sent, and otherwise rejected. With
    /// [`pending_while_open`](super::CircuitBreakerLayer::pending_while_open) it is pending instead.
    ///
    /// An error of the inner service is recorded as a call that failed, if the rules call it a failure. No request was
    /// sent: [`Retry`](crate::retry::Retry) above passes such an error on before a first attempt; before a
    /// further one it counts as an attempt that failed and was not sent.
    ///
    /// A service that was polled ready and is then rejected keeps what its inner service gave it, such as a permit, for its
    /// next call; drop it if there is to be none.
    #[inline(always)]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.unasked = false;
        let word = self.breaker.circuit.shared().word();
        if word.pass().is_none() {
            if word.readiness() == Readiness::Reject && !self.breaker.pending_while_open {
                self.unasked = true;
            } else {
                ready!(self.poll_unasked(cx));
            }
            if self.unasked {
                return Poll::Ready(Ok(()));
            }
        }
        self.poll_inner(cx)
    }

    #[inline(always)]
    fn call(&mut self, request: Request) -> Self::Future {
        if self.unasked {
            self.unasked = false;
            if let Err(refusal) = self.ask_again() {
                return ResponseFuture::rejected(&self.breaker.circuit, refusal);
            }
        }
        match self.breaker.circuit.shared().acquire() {
            Ok(ticket) => {
                let admission = Admission::new(self.breaker.called(), ticket);
                let inner = self.inner.call(request);
                admission.into_future(inner)
            }
            Err(refusal) => ResponseFuture::rejected(&self.breaker.circuit, refusal),
        }
    }
}
