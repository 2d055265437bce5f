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
/// A request has ended that began before it was last visited, or with which it was made.
const LEFT: u8 = 3;

/// What became of it since it was last visited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Visited {
    Unused,
    /// No request has begun to use it, and one has ended.
    Left,
    Used,
}

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

    /// Notes that a request has ended: until now it was not idle. To be called by who still holds it.
    #[inline]
    pub(super) fn mark_left(&self) {
        if self.mark.load(Ordering::Relaxed) != USED {
            self.mark.store(LEFT, Ordering::Relaxed);
        }
    }

    /// Claims it, and says what became of it since the last time.
    pub(super) fn claim(&self) -> Visited {
        match self.mark.swap(CLAIMED, Ordering::Relaxed) {
            USED => Visited::Used,
            LEFT => Visited::Left,
            _ => Visited::Unused,
        }
    }

    /// Whether nobody came since it was claimed.
    pub(super) fn is_claimed(&self) -> bool {
        self.mark.load(Ordering::Relaxed) == CLAIMED
    }
}

/// A slot that a request uses until it has its response: how long it is idle counts from then.
pub(super) struct InUse<K, L>(Arc<Slot<K, L>>);

impl<K, L> InUse<K, L> {
    pub(super) const fn new(slot: Arc<Slot<K, L>>) -> Self {
        Self(slot)
    }
}

impl<K, L> Drop for InUse<K, L> {
    #[inline]
    fn drop(&mut self) {
        self.0.mark_left();
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
