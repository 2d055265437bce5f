use std::fmt;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tower_layer::Layer;

use super::evict::{Bottom, Evict, keep_of};
use super::making::Making;
use super::slot::{Entry, Slot};
use super::table::{Table, VISITS};
use crate::config::InvalidConfig;

/// How long a key is kept that nobody asks for: several times longer than a circuit stays open, so that a host that is
/// down is not forgotten for want of traffic.
const MAX_IDLE: Duration = Duration::from_secs(600);

/// Makes a layer for each key.
///
/// At most `max_keys` layers are kept. A key is evicted only if no request of it is under way, and then:
///
/// | its layer ([`Keep`](super::Keep)) | may be evicted |
/// |---|---|
/// | is as good as new: a closed circuit without failures, an empty bulkhead, a rate limit that is not used | when a new key needs the room, or when idle |
/// | remembers what is past: failures of a closed circuit, an open one whose wait is over | when idle |
/// | protects: an open circuit, a switch thrown by hand, a bulkhead in use, a rate limit whose burst is not back in full | never |
///
/// [`Keep`](super::Keep) has the rule of each layer.
///
/// Idle is a key that no request has used for [`max_idle`](Self::max_idle), ten minutes by default. Of keys that are as
/// good as new, those go first that were not used for a while (second chance, which is close to least recently used).
///
/// A new key that finds no room shares one layer with all others that find none: the layer made for the first of them.
/// So new keys cannot push known keys out. The first such request is traced as a `WARN`. A new key gets a layer of its own again
/// as soon as there is room.
///
/// Each request looks at a few keys at most, however many there are. Clones share the layers, and so do all services
/// made from them. No lock is held while `key_of`, `layer_for`, [`Evict::keep`] and destructors run.
pub struct PerKeyLayer<K, L, F, M> {
    shared: Arc<Shared<K, L, F, M>>,
    max_idle: Duration,
}

struct Shared<K, L, F, M> {
    key_of: F,
    layer_for: M,
    hasher: RandomState,
    table: Table<K, L>,
}

/// Where a request finds its layer.
pub(super) enum Place<K, L> {
    /// Its key has one.
    Own(Arc<Slot<K, L>>),
    /// It shares that of all keys that found no room.
    Overflow(Arc<Slot<K, L>>),
    /// This thread is making it.
    Unfinished,
}

impl<K, L, F, M> PerKeyLayer<K, L, F, M>
where
    K: Hash + Eq,
    M: Fn(&K) -> L,
{
    /// Takes the key of a request from `key_of`, and a layer for a key that is new from `layer_for`.
    ///
    /// Where several requests are the first with a key at the same time, `layer_for` may be called for each; the layer that
    /// is there first is the one for all. If `layer_for` itself sends a request with the key it was called for through this
    /// layer, that request is rejected with [`Rejection::LayerUnfinished`](crate::Rejection::LayerUnfinished).
    ///
    /// # Errors
    ///
    /// If `max_keys` is zero.
    pub fn new<R>(max_keys: usize, key_of: F, layer_for: M) -> Result<Self, InvalidConfig>
    where
        F: Fn(&R) -> K,
        L: Layer<Bottom>,
        L::Service: Evict,
    {
        if max_keys == 0 {
            return Err(InvalidConfig::new("max_keys", 0, "at least 1"));
        }
        let table = Table::new(max_keys, keep_of::<L>);
        let shared = Shared { key_of, layer_for, hasher: RandomState::new(), table };
        Ok(Self { shared: Arc::new(shared), max_idle: MAX_IDLE })
    }

    /// The layer of a key, if it has one. To look at a key is not to use it.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<Entry<K, L>> {
        self.shared.table.get(self.hash(key), key).map(Entry::new)
    }

    pub(super) fn key_of<R>(&self, request: &R) -> K
    where
        F: Fn(&R) -> K,
    {
        (self.shared.key_of)(request)
    }

    pub(super) fn hash(&self, key: &K) -> u64 {
        self.shared.hasher.hash_one(key)
    }

    /// Finds the layer of a key, or makes it.
    pub(super) fn place_of(&self, hash: u64, key: K) -> Place<K, L> {
        let table = &self.shared.table;
        if let Some(slot) = table.get(hash, &key) {
            slot.mark_used();
            return Place::Own(slot);
        }
        let has_room = table.make_room(self.max_idle);
        if let (false, Some(slot)) = (has_room, table.overflow()) {
            return Place::Overflow(Arc::clone(slot));
        }
        let Some(making) = Making::start(Arc::as_ptr(&self.shared).addr(), hash) else { return Place::Unfinished };
        let layer = (self.shared.layer_for)(&key);
        drop(making);
        match table.insert(Slot::new(hash, key, layer)) {
            Ok(slot) => Place::Own(slot),
            Err(slot) => Place::Overflow(table.overflow_or(slot)),
        }
    }

    /// Drops a few keys, if they are idle.
    #[cold]
    pub(super) fn look_around(&self) {
        self.shared.table.look_around(VISITS, Instant::now(), self.max_idle);
    }
}

impl<K, L, F, M> PerKeyLayer<K, L, F, M> {
    /// Evicts a key that no request has used for this time, if its layer need not be [kept](super::Keep). Default: ten
    /// minutes. [`Duration::MAX`]: never.
    ///
    /// It is never evicted earlier, and usually later: idle keys are found a few at a time, while requests come.
    #[must_use]
    pub fn max_idle(self, max_idle: Duration) -> Self {
        Self { max_idle, ..self }
    }

    /// How many keys have a layer of their own.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.shared.table.len()
    }

    /// The keys that have a layer of their own, in no order. No lock is held between two of them; a key that comes or goes
    /// meanwhile may be among them or not.
    pub fn iter(&self) -> impl Iterator<Item = Entry<K, L>> {
        self.shared.table.iter().map(Entry::new)
    }

    /// The layer that new keys share while all others are in use, once there was a need for it.
    #[must_use]
    pub fn overflow(&self) -> Option<Entry<K, L>> {
        self.shared.table.overflow().cloned().map(Entry::new)
    }
}

impl<K, L, F, M> Clone for PerKeyLayer<K, L, F, M> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), max_idle: self.max_idle }
    }
}

impl<K, L, F, M> fmt::Debug for PerKeyLayer<K, L, F, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerKeyLayer")
            .field("keys", &self.keys())
            .field("max_idle", &self.max_idle)
            .finish_non_exhaustive()
    }
}
