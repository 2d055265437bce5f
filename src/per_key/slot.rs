use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// A key and its layer. Whoever holds one keeps the key from being evicted: each request does until it has its response.
pub(super) struct Slot<K, L> {
    pub(super) hash: u64,
    pub(super) key: K,
    pub(super) layer: L,
    mark: AtomicU8,
}

/// No request has used it since it was last visited.
const UNUSED: u8 = 0;
/// A request has.
const USED: u8 = 1;
/// Its layer is being asked whether it may go. Any other mark says that somebody came meanwhile.
const CLAIMED: u8 = 2;

impl<K, L> Slot<K, L> {
    pub(super) const fn new(hash: u64, key: K, layer: L) -> Self {
        Self { hash, key, layer, mark: AtomicU8::new(UNUSED) }
    }

    /// Notes a use. To be called by who holds it. It is written only if that changes it, so that requests of one key do
    /// not take the cache line from each other.
    #[inline]
    pub(super) fn mark_used(&self) {
        if self.mark.load(Ordering::Relaxed) != USED {
            self.mark.store(USED, Ordering::Relaxed);
        }
    }

    /// Notes that somebody holds it who may change the layer, which is no use of it.
    pub(super) fn mark_held(&self) {
        let _ = self.mark.compare_exchange(CLAIMED, UNUSED, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Claims it, and says whether it was used since the last time.
    pub(super) fn claim(&self) -> bool {
        self.mark.swap(CLAIMED, Ordering::Relaxed) == USED
    }

    /// Whether nobody came since it was claimed.
    pub(super) fn is_claimed(&self) -> bool {
        self.mark.load(Ordering::Relaxed) == CLAIMED
    }
}

/// A key and its layer, from [`PerKeyLayer::get`](super::PerKeyLayer::get). The key is not evicted while this is held.
pub struct Entry<K, L> {
    slot: Arc<Slot<K, L>>,
}

impl<K, L> Entry<K, L> {
    pub(super) const fn new(slot: Arc<Slot<K, L>>) -> Self {
        Self { slot }
    }

    /// The key. Of the layer that keys share, it is the key it was made for.
    #[must_use]
    pub fn key(&self) -> &K {
        &self.slot.key
    }

    /// The layer.
    #[must_use]
    pub fn layer(&self) -> &L {
        &self.slot.layer
    }
}

impl<K, L> Clone for Entry<K, L> {
    fn clone(&self) -> Self {
        Self { slot: Arc::clone(&self.slot) }
    }
}

impl<K: fmt::Debug, L> fmt::Debug for Entry<K, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("key", self.key()).finish_non_exhaustive()
    }
}
