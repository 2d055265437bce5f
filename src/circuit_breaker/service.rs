use std::marker::PhantomData;
use std::task::{Context, Poll};

use tower_service::Service;

use super::state::Refusal;
use super::{Circuit, Permit, ResponseFuture};
use crate::classify::{Classify, DefaultClassifier};
use crate::error::Rejectable;
use crate::extent::{Extent, UntilHead};

/// A service behind a [`Circuit`]. Made by [`CircuitBreakerLayer`](super::CircuitBreakerLayer).
///
/// Clones share the circuit.
#[derive(Debug)]
pub struct CircuitBreaker<S, C = DefaultClassifier, U = UntilHead> {
    inner: S,
    circuit: Circuit,
    classifier: C,
    /// `poll_ready` found the circuit open and did not ask the inner service, so `call` must not call it.
    refusal: Option<Refusal>,
    extent: PhantomData<fn() -> U>,
}

impl<S, C, U> CircuitBreaker<S, C, U> {
    pub(super) const fn new(inner: S, circuit: Circuit, classifier: C) -> Self {
        Self { inner, circuit, classifier, refusal: None, extent: PhantomData }
    }

    /// The circuit.
    #[must_use]
    pub const fn circuit(&self) -> &Circuit {
        &self.circuit
    }

    /// The wrapped service.
    #[must_use]
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The wrapped service.
    #[must_use]
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The wrapped service, unwrapped.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.inner
    }
}

/// The clone has been asked nothing yet.
impl<S: Clone, C: Clone, U> Clone for CircuitBreaker<S, C, U> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.circuit.clone(), self.classifier.clone())
    }
}

impl<S, C, U, R> Service<R> for CircuitBreaker<S, C, U>
where
    S: Service<R>,
    S::Error: Rejectable,
    C: Classify<S::Response, S::Error> + Clone,
    U: Extent<S::Response, Permit>,
{
    type Response = U::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, C, U>;

    /// While the circuit is open it is ready at once, without asking the inner service, and the call is rejected. The
    /// rejection says what was true when this was asked, so that one rejection reads the clock once.
    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.refusal = self.circuit.refusal();
        if self.refusal.is_some() { Poll::Ready(Ok(())) } else { self.inner.poll_ready(cx) }
    }

    #[inline]
    fn call(&mut self, request: R) -> Self::Future {
        if let Some(refusal) = self.refusal.take() {
            return ResponseFuture::rejected(self.circuit.rejection(refusal));
        }
        match self.circuit.ticket() {
            Ok(ticket) => {
                let permit = self.circuit.permit(ticket);
                ResponseFuture::admitted(permit, self.classifier.clone(), || self.inner.call(request))
            }
            Err(refusal) => ResponseFuture::rejected(self.circuit.rejection(refusal)),
        }
    }
}
