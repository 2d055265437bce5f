use tower_layer::Layer;

use super::{DropAnswer, Retry, RetryPolicy};
use crate::classify::{CloneRequest, DefaultClassifier};

/// Tries again as a [`RetryPolicy`] says.
#[derive(Debug)]
pub struct RetryLayer<C = DefaultClassifier, P = CloneRequest, D = DropAnswer> {
    policy: RetryPolicy<C, P, D>,
}

impl<C, P, D> RetryLayer<C, P, D> {
    /// Tries again as `policy` says.
    #[must_use]
    pub const fn new(policy: RetryPolicy<C, P, D>) -> Self {
        Self { policy }
    }
}

impl<C, P, D> Clone for RetryLayer<C, P, D> {
    fn clone(&self) -> Self {
        Self { policy: self.policy.clone() }
    }
}

impl<S: Clone, C, P, D> Layer<S> for RetryLayer<C, P, D> {
    type Service = Retry<S, C, P, D>;

    fn layer(&self, inner: S) -> Self::Service {
        Retry::new(inner, self.policy.clone())
    }
}
