use std::sync::Arc;
use std::task::{Context, Poll};

use tower_service::Service;

use super::circuit::Circuit;
use super::future::ResponseFuture;
use super::state::Refusal;
use crate::error::Rejectable;
use crate::macros::service_accessors;
use crate::rules::Classify;

/// A service behind a [`Circuit`]. Made by [`CircuitBreakerLayer`](super::CircuitBreakerLayer).
///
/// Clones share the circuit.
#[derive(Debug)]
pub struct CircuitBreaker<S, R> {
    inner: S,
    shared: Arc<Shared<R>>,
    /// `poll_ready` found the circuit open and did not ask the inner service, so `call` must not call it.
    refusal: Option<Refusal>,
}

/// What all services of a layer have in common.
#[derive(Debug)]
pub(super) struct Shared<R> {
    pub(super) circuit: Circuit,
    pub(super) rules: R,
}

impl<S, R> CircuitBreaker<S, R> {
    pub(super) const fn new(inner: S, shared: Arc<Shared<R>>) -> Self {
        Self { inner, shared, refusal: None }
    }

    /// The circuit.
    #[must_use]
    pub fn circuit(&self) -> &Circuit {
        &self.shared.circuit
    }
}

service_accessors!(CircuitBreaker<S, R>);

/// A clone starts unpolled.
impl<S: Clone, R> Clone for CircuitBreaker<S, R> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), Arc::clone(&self.shared))
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

    /// While the circuit is open it is ready at once, without asking the inner service, and the call is rejected. The
    /// rejection says what was true when this was asked, so that one rejection reads the clock once.
    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.refusal = self.shared.circuit.refusal();
        if self.refusal.is_some() { Poll::Ready(Ok(())) } else { self.inner.poll_ready(cx) }
    }

    #[inline]
    fn call(&mut self, request: Request) -> Self::Future {
        let circuit = &self.shared.circuit;
        if let Some(refusal) = self.refusal.take() {
            return ResponseFuture::rejected(circuit.rejection(refusal));
        }
        match circuit.ticket() {
            Ok(ticket) => {
                let permit = circuit.permit(ticket);
                ResponseFuture::admitted(permit, Arc::clone(&self.shared), || self.inner.call(request))
            }
            Err(refusal) => ResponseFuture::rejected(circuit.rejection(refusal)),
        }
    }
}
