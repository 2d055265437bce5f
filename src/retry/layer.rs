use std::sync::Arc;

use tower_layer::Layer;

use super::policy::RetryPolicy;
use super::service::Retry;
use super::shared::Config;

/// Tries again as a [`RetryPolicy`] says, what its rules allow.
#[derive(Debug)]
pub struct RetryLayer<R> {
    config: Arc<Config<R>>,
}

impl<R> RetryLayer<R> {
    /// Tries again as `policy` says. `rules` judge the results, say which requests may be repeated, and copy them.
    #[must_use]
    pub fn new(policy: RetryPolicy, rules: R) -> Self {
        Self { config: Arc::new(Config { policy, rules }) }
    }

    pub(crate) fn rules(&self) -> &R {
        &self.config.rules
    }

    /// The policy.
    #[must_use]
    pub fn policy(&self) -> &RetryPolicy {
        &self.config.policy
    }
}

impl<R> Clone for RetryLayer<R> {
    fn clone(&self) -> Self {
        Self { config: Arc::clone(&self.config) }
    }
}

impl<S: Clone, R> Layer<S> for RetryLayer<R> {
    type Service = Retry<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        Retry::new(inner, Arc::clone(&self.config))
    }
}
