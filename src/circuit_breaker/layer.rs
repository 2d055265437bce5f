use tower_layer::Layer;

use super::{Circuit, CircuitBreaker};
use crate::classify::DefaultClassifier;

/// Guards a service with a [`Circuit`].
///
/// All services made from a layer, or from a clone of it, share its circuit.
#[derive(Debug, Clone)]
pub struct CircuitBreakerLayer<C = DefaultClassifier> {
    circuit: Circuit,
    classifier: C,
}

impl CircuitBreakerLayer {
    /// Guards with `circuit`, and takes every error for a failure, as [`DefaultClassifier`] does.
    #[must_use]
    pub const fn new(circuit: Circuit) -> Self {
        Self { circuit, classifier: DefaultClassifier }
    }
}

impl<C> CircuitBreakerLayer<C> {
    /// Judges answers by `classifier` instead.
    #[must_use]
    pub fn classify<D>(self, classifier: D) -> CircuitBreakerLayer<D> {
        CircuitBreakerLayer { circuit: self.circuit, classifier }
    }
}

impl<S, C: Clone> Layer<S> for CircuitBreakerLayer<C> {
    type Service = CircuitBreaker<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        CircuitBreaker::new(inner, self.circuit.clone(), self.classifier.clone())
    }
}
