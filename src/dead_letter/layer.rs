use std::sync::Arc;
use std::time::Duration;

use tower_layer::Layer;

use super::counts::DeadLetterCounts;
use super::service::DeadLetters;
use super::shared::Shared;

/// Keeps requests that failed for good.
///
/// | setter | default |
/// |---|---|
/// | [`timeout`](Self::timeout) | 1 s |
#[derive(Debug)]
pub struct DeadLetterLayer<R, K> {
    shared: Arc<Shared<R, K>>,
}

impl<R, K> DeadLetterLayer<R, K> {
    /// Hands each request that failed for good to `sink`. `rules` judge the results, say which requests change something,
    /// and copy them.
    #[must_use]
    pub fn new(rules: R, sink: K) -> Self {
        let shared = Shared { rules, sink, timeout: Duration::from_secs(1), counts: DeadLetterCounts::default() };
        Self { shared: Arc::new(shared) }
    }

    /// How many letters were kept and lost, at all services of this layer.
    #[must_use]
    pub fn counts(&self) -> DeadLetterCounts {
        self.shared.counts.clone()
    }
}

impl<R: Clone, K: Clone> DeadLetterLayer<R, K> {
    /// How long the sink may delay the caller's result. Then the letter is lost. Default: 1 s.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        let shared = Arc::unwrap_or_clone(self.shared);
        Self { shared: Arc::new(Shared { timeout, ..shared }) }
    }
}

impl<R, K> Clone for DeadLetterLayer<R, K> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<S, R, K> Layer<S> for DeadLetterLayer<R, K> {
    type Service = DeadLetters<S, R, K>;

    fn layer(&self, inner: S) -> Self::Service {
        DeadLetters::new(inner, Arc::clone(&self.shared))
    }
}
