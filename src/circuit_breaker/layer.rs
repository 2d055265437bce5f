use std::sync::Arc;

use tower_layer::Layer;

use super::breaker::Breaker;
use super::circuit::Circuit;
use super::service::CircuitBreaker;
use crate::instance::Instance;

/// Guards a service with a [`Circuit`].
///
/// All services made from a layer, or from a clone of it, share its circuit.
#[derive(Debug)]
pub struct CircuitBreakerLayer<R> {
    breaker: Instance<Breaker<R>>,
}

impl<R> CircuitBreakerLayer<R> {
    /// Rejects requests while `circuit` is open. `rules` judge the results: [`ErrorsOnly`](crate::rules::ErrorsOnly), `Http`, or your own.
    #[must_use]
    pub fn new(circuit: Circuit, rules: R) -> Self {
        Self { breaker: Instance::new(Breaker { circuit, rules: Arc::new(rules), pending_while_open: false }) }
    }

    /// Makes `poll_ready` pending while the circuit is open, or all its probes are in flight, instead of ready with a call
    /// that is rejected. The default is ready.
    ///
    /// For a load balancer above, which then takes another endpoint. The task is woken when the open wait is over, when
    /// the circuit changes its state, and when a probe leaves its place to another. A call is still rejected if the circuit
    /// opens after `poll_ready`, or if others take the places of the probes first.
    ///
    /// # Panics
    ///
    /// `poll_ready` panics while the circuit is open if there is no tokio runtime with its timer enabled.
    #[must_use]
    pub fn pending_while_open(self) -> Self {
        Self { breaker: Instance::new(Breaker { pending_while_open: true, ..Breaker::clone(&self.breaker) }) }
    }

    /// The circuit.
    #[must_use]
    pub fn circuit(&self) -> &Circuit {
        &self.breaker.circuit
    }
}

impl<R> Clone for CircuitBreakerLayer<R> {
    fn clone(&self) -> Self {
        Self { breaker: self.breaker.clone() }
    }
}

impl<S, R> Layer<S> for CircuitBreakerLayer<R> {
    type Service = CircuitBreaker<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        CircuitBreaker::new(inner, self.breaker.clone())
    }
}
