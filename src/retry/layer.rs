use tower_layer::Layer;

use super::{Retry, RetryPolicy};
use crate::classify::{CloneRequest, DefaultClassifier};

/// Tries again as a [`RetryPolicy`] says.
#[derive(Debug)]
pub struct RetryLayer<C = DefaultClassifier, P = CloneRequest> {
    policy: RetryPolicy<C, P>,
}

impl<C, P> RetryLayer<C, P> {
    /// Tries again as `policy` says.
    #[must_use]
    pub const fn new(policy: RetryPolicy<C, P>) -> Self {
        Self { policy }
    }
}

impl<C, P> Clone for RetryLayer<C, P> {
    fn clone(&self) -> Self {
        Self { policy: self.policy.clone() }
    }
}

impl<S, C, P> Layer<S> for RetryLayer<C, P> {
    type Service = Retry<S, C, P>;

    fn layer(&self, inner: S) -> Self::Service {
        Retry::new(inner, self.policy.clone())
    }
}
