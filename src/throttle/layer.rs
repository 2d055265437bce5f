use std::sync::Arc;

use tower_layer::Layer;

use super::handle::Throttle;
use super::service::Throttled;
use super::shared::Shared;

/// Rejects a growing share of the requests while the upstream turns more of them away than it accepts.
///
/// All services made from a layer, or from a clone of it, share its throttle.
#[derive(Debug)]
pub struct ThrottleLayer<R> {
    shared: Arc<Shared<R>>,
}

impl<R> ThrottleLayer<R> {
    /// Rejects requests as `throttle` says. `rules` judge the results.
    #[must_use]
    pub fn new(throttle: Throttle, rules: R) -> Self {
        Self { shared: Arc::new(Shared { throttle, rules }) }
    }

    /// The throttle.
    #[must_use]
    pub fn throttle(&self) -> &Throttle {
        &self.shared.throttle
    }
}

impl<R> Clone for ThrottleLayer<R> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<S, R> Layer<S> for ThrottleLayer<R> {
    type Service = Throttled<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        Throttled::new(inner, Arc::clone(&self.shared))
    }
}
