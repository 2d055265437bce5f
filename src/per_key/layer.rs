use std::fmt;
use std::hash::Hash;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lru::LruCache;
use tokio::time::Instant;
use tower_layer::Layer;

use super::PerKey;
use crate::config::InvalidConfig;

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
    layers: Mutex<Layers<K, L>>,
}

type Layers<K, L> = LruCache<K, Used<L>>;

struct Used<L> {
    layer: Arc<L>,
    last: Instant,
}

impl<K, L, F, M> PerKeyLayer<K, L, F, M>
where
    K: Hash + Eq,
    M: Fn(&K) -> L,
{
    /// Takes the key of a request from `key_of`, and a layer for a key that is new from `layer_for`. Where several requests
    /// are the first with a key at the same time, it may be asked by each; the layer that is there first is the one for all.
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
        self.layers().len()
    }

    pub(super) fn layer_for<R>(&self, request: &R) -> Arc<L>
    where
        F: Fn(&R) -> K,
    {
        let key = (self.shared.key_of)(request);
        let now = Instant::now();
        if let Some(layer) = self.known(&mut self.layers(), &key, now) {
            return layer;
        }
        // Without the lock, so that it may take its time, and ask this layer.
        let layer = Arc::new((self.shared.layer_for)(&key));
        let now = Instant::now();
        let mut layers = self.layers();
        if let Some(earlier) = self.known(&mut layers, &key, now) {
            return earlier;
        }
        layers.put(key, Used { layer: Arc::clone(&layer), last: now });
        layer
    }

    /// The layer of a key, which counts as a use of it.
    fn known(&self, layers: &mut Layers<K, L>, key: &K, now: Instant) -> Option<Arc<L>> {
        while layers.peek_lru().is_some_and(|(_, used)| now.saturating_duration_since(used.last) > self.max_idle) {
            layers.pop_lru();
        }
        let used = layers.get_mut(key)?;
        used.last = now;
        Some(Arc::clone(&used.layer))
    }

    fn layers(&self) -> MutexGuard<'_, Layers<K, L>> {
        self.shared.layers.lock().unwrap_or_else(PoisonError::into_inner)
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
