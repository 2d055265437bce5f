use std::sync::Arc;

use tower_layer::Layer;

use super::circuit::Circuit;
use super::service::{CircuitBreaker, Shared};

/// Guards a service with a [`Circuit`].
///
/// All services made from a layer, or from a clone of it, share its circuit.
#[derive(Debug)]
pub struct CircuitBreakerLayer<R> {
    shared: Arc<Shared<R>>,
}

impl<R> CircuitBreakerLayer<R> {
    /// Guards with `circuit`. `rules` judge the results: [`ErrorsOnly`](crate::rules::ErrorsOnly), `Http`, or your own.
    #[must_use]
    pub fn new(circuit: Circuit, rules: R) -> Self {
        Self { shared: Arc::new(Shared { circuit, rules }) }
    }

    /// The circuit.
    #[must_use]
    pub fn circuit(&self) -> &Circuit {
        &self.shared.circuit
    }
}

impl<R> Clone for CircuitBreakerLayer<R> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<S, R> Layer<S> for CircuitBreakerLayer<R> {
    type Service = CircuitBreaker<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        CircuitBreaker::new(inner, Arc::clone(&self.shared))
    }
}
