use std::fmt;
use std::hash::Hash;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lru::LruCache;
use tokio::time::Instant;
use tower_layer::Layer;

use super::PerKey;
use crate::error::InvalidConfig;

/// How long a key is kept that nobody asks for: several times longer than a circuit stays open, so that a host that is
/// down is not forgotten for want of traffic.
const MAX_IDLE: Duration = Duration::from_secs(600);

/// Makes a layer for each key.
///
/// Of the layers made, at most `max_keys` are kept, those that were used last; one that nobody used for ten minutes
/// (see [`max_idle`](Self::max_idle)) is forgotten. A forgotten key starts afresh; requests that are under way keep
/// what they have.
pub struct PerKeyLayer<K, L, F, M> {
    shared: Arc<Shared<K, L, F, M>>,
    max_idle: Duration,
}

struct Shared<K, L, F, M> {
    key_of: F,
    layer_for: M,
    layers: Mutex<LruCache<K, Used<L>>>,
}

struct Used<L> {
    layer: Arc<L>,
    last: Instant,
}

impl<K, L, F, M> PerKeyLayer<K, L, F, M>
where
    K: Hash + Eq,
    M: Fn(&K) -> L,
{
    /// Takes the key of a request from `key_of`, and a layer for a key that is new from `layer_for`, which runs under a
    /// lock and must not ask this layer for anything.
    ///
    /// # Errors
    ///
    /// If `max_keys` is zero.
    pub fn new<R>(max_keys: usize, key_of: F, layer_for: M) -> Result<Self, InvalidConfig>
    where
        F: Fn(&R) -> K,
    {
        let bound = NonZeroUsize::new(max_keys).ok_or_else(|| InvalidConfig::new("max_keys", 0, "at least 1"))?;
        // It grows as keys come, so that a generous bound costs nothing.
        let mut layers = LruCache::unbounded();
        layers.resize(bound);
        let shared = Shared { key_of, layer_for, layers: Mutex::new(layers) };
        Ok(Self { shared: Arc::new(shared), max_idle: MAX_IDLE })
    }

    /// Forgets a key that nobody asked for in this time.
    #[must_use]
    pub fn max_idle(self, max_idle: Duration) -> Self {
        Self { max_idle, ..self }
    }

    /// How many keys are kept.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.shared.layers.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub(super) fn layer_for<R>(&self, request: &R) -> Arc<L>
    where
        F: Fn(&R) -> K,
    {
        let key = (self.shared.key_of)(request);
        let last = Instant::now();
        let mut layers = self.shared.layers.lock().unwrap_or_else(PoisonError::into_inner);
        while layers.peek_lru().is_some_and(|(_, used)| last.saturating_duration_since(used.last) > self.max_idle) {
            layers.pop_lru();
        }
        if let Some(used) = layers.get_mut(&key) {
            used.last = last;
            return Arc::clone(&used.layer);
        }
        let layer = Arc::new((self.shared.layer_for)(&key));
        layers.put(key, Used { layer: Arc::clone(&layer), last });
        layer
    }
}

impl<K, L, F, M> Clone for PerKeyLayer<K, L, F, M> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), max_idle: self.max_idle }
    }
}

impl<S, K, L, F, M> Layer<S> for PerKeyLayer<K, L, F, M> {
    type Service = PerKey<S, K, L, F, M>;

    fn layer(&self, inner: S) -> Self::Service {
        PerKey::new(inner, self.clone())
    }
}

impl<K, L, F, M> fmt::Debug for PerKeyLayer<K, L, F, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerKeyLayer").field("max_idle", &self.max_idle).finish_non_exhaustive()
    }
}
