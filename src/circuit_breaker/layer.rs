use std::marker::PhantomData;

use tower_layer::Layer;

use super::{Circuit, CircuitBreaker};
use crate::classify::DefaultClassifier;
use crate::extent::UntilHead;

/// Guards a service with a [`Circuit`].
///
/// All services made from a layer, or from a clone of it, share its circuit.
#[derive(Debug)]
pub struct CircuitBreakerLayer<C = DefaultClassifier, U = UntilHead> {
    circuit: Circuit,
    classifier: C,
    extent: PhantomData<fn() -> U>,
}

impl CircuitBreakerLayer {
    /// Guards with `circuit`, and takes every error for a failure, as [`DefaultClassifier`] does.
    #[must_use]
    pub const fn new(circuit: Circuit) -> Self {
        Self { circuit, classifier: DefaultClassifier, extent: PhantomData }
    }
}

impl<C, U> CircuitBreakerLayer<C, U> {
    /// Judges answers by `classifier` instead.
    #[must_use]
    pub fn classify<D>(self, classifier: D) -> CircuitBreakerLayer<D, U> {
        CircuitBreakerLayer { circuit: self.circuit, classifier, extent: PhantomData }
    }

    /// The same layer, for requests that last so long.
    #[cfg(feature = "http")]
    pub(crate) fn with_extent<V>(self) -> CircuitBreakerLayer<C, V> {
        CircuitBreakerLayer { circuit: self.circuit, classifier: self.classifier, extent: PhantomData }
    }
}

impl<C: Clone, U> Clone for CircuitBreakerLayer<C, U> {
    fn clone(&self) -> Self {
        Self { circuit: self.circuit.clone(), classifier: self.classifier.clone(), extent: PhantomData }
    }
}

impl<S, C: Clone, U> Layer<S> for CircuitBreakerLayer<C, U> {
    type Service = CircuitBreaker<S, C, U>;

    fn layer(&self, inner: S) -> Self::Service {
        CircuitBreaker::new(inner, self.circuit.clone(), self.classifier.clone())
    }
}
