//! The layers of all keys: who has one, who gets one, and who loses it.
//!
//! A slot is evicted only if nobody holds it, and if its layer says so. The layer is asked without the lock, so a
//! request may come meanwhile. That is seen, in this order:
//!
//! 1. With the lock, the slot is marked as claimed, and a clone is taken. If somebody else holds one, it stays.
//! 2. Without the lock, the layer is asked.
//! 3. With the lock, the slot is unwrapped, which succeeds only if nobody holds it. If the mark has changed, it goes back.
//!
//! Whoever takes a clone after the first step sees the claim and changes the mark before the clone is given back: it took
//! the lock after that step, or upgraded a `Weak` after the count was written there.

use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::evict::Keep;
use super::ring::Ring;
use super::slot::{Slot, Visited};

/// How many keys share a lock: a small table is one list, in which the hand comes to every key in turn. In a large one,
/// a list that grows moves only its part.
const SMALL: usize = 1024;
const SHARDS: usize = 16;

/// How many slots one request looks at to find one that can go: enough to pass over a few that cannot.
const VISITS_FOR_ROOM: usize = 8;
/// How many of these are spared, at most, because they were used since the last round.
const SPARING: usize = 4;
/// How many slots are looked at in passing.
pub(super) const VISITS: usize = 4;

pub(super) struct Table<K, L> {
    shards: Box<[Shard<K, L>]>,
    max_keys: usize,
    len: AtomicUsize,
    /// The shard to be looked at next.
    hand: AtomicUsize,
    overflow: OnceLock<Arc<Slot<K, L>>>,
    keep_of: fn(&L) -> Keep,
}

type Shard<K, L> = Mutex<Ring<Kept<K, L>>>;

struct Kept<K, L> {
    slot: Arc<Slot<K, L>>,
    /// No request began to use it after that, or ended, unless it is marked.
    since: Instant,
}

/// How a look around is made.
#[derive(Clone, Copy)]
struct Look {
    now: Instant,
    max_idle: Duration,
    /// Not only what is idle may go, but all that is as good as new.
    for_room: bool,
    /// What was used since the last look stays.
    sparing: bool,
}

impl<K: Eq, L> Table<K, L> {
    pub(super) fn new(max_keys: usize, keep_of: fn(&L) -> Keep) -> Self {
        let shards = if max_keys <= SMALL { 1 } else { SHARDS };
        Self {
            shards: (0..shards).map(|_| Mutex::default()).collect(),
            max_keys,
            len: AtomicUsize::new(0),
            hand: AtomicUsize::new(0),
            overflow: OnceLock::new(),
            keep_of,
        }
    }

    pub(super) fn get(&self, hash: u64, key: &K) -> Option<Arc<Slot<K, L>>> {
        let shard = self.shard(hash);
        let at = shard.find(hash, |kept| kept.slot.key == *key)?;
        let slot = Arc::clone(&shard.get(at).slot);
        slot.mark_held();
        Some(slot)
    }

    /// Adds a slot, and returns the one of this key: another that was there first. `Err` if there is no room.
    pub(super) fn insert(&self, slot: Slot<K, L>) -> Result<Arc<Slot<K, L>>, Slot<K, L>> {
        let hash = slot.hash;
        let mut shard = self.shard(hash);
        if let Some(at) = shard.find(hash, |kept| kept.slot.key == slot.key) {
            let earlier = Arc::clone(&shard.get(at).slot);
            earlier.mark_used();
            drop(shard);
            return Ok(earlier);
        }
        let one_more = |len: usize| (len < self.max_keys).then_some(len + 1);
        if self.len.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_err() {
            drop(shard);
            return Err(slot);
        }
        let slot = Arc::new(slot);
        shard.push(hash, Kept { slot: Arc::clone(&slot), since: Instant::now() });
        Ok(slot)
    }
}

impl<K, L> Table<K, L> {
    /// Makes room for a new key if there is none, and says whether there is.
    pub(super) fn make_room(&self, max_idle: Duration) -> bool {
        let now = Instant::now();
        let is_full = || self.len() >= self.max_keys;
        if !is_full() {
            self.look_around(VISITS, now, max_idle);
            return true;
        }
        for visit in 0..VISITS_FOR_ROOM {
            let look = Look { now, max_idle, for_room: true, sparing: visit < SPARING };
            self.visit_next(look);
            if !is_full() {
                return true;
            }
        }
        false
    }

    /// The layer that new keys share while there is no room, if it was ever needed.
    pub(super) fn overflow(&self) -> Option<&Arc<Slot<K, L>>> {
        self.overflow.get()
    }

    /// Makes this the layer that keys share, if there is none yet, and returns that which is.
    pub(super) fn overflow_or(&self, slot: Slot<K, L>) -> Arc<Slot<K, L>> {
        let slot = Arc::new(slot);
        if self.overflow.set(Arc::clone(&slot)).is_ok() {
            tracing::warn!(max_keys = self.max_keys, "all keys are in use: new ones share one layer");
        }
        Arc::clone(self.overflow.get().unwrap_or(&slot))
    }

    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// All slots, one shard after the other. No lock is held between two items.
    pub(super) fn iter(&self) -> impl Iterator<Item = Arc<Slot<K, L>>> {
        self.shards.iter().flat_map(|shard| {
            let shard = lock(shard);
            shard.iter().map(|kept| Arc::clone(&kept.slot)).inspect(|slot| slot.mark_held()).collect::<Vec<_>>()
        })
    }

    /// Looks at the next few slots, and drops those that are idle.
    pub(super) fn look_around(&self, visits: usize, now: Instant, max_idle: Duration) {
        for _ in 0..visits.min(self.len()) {
            self.visit_next(Look { now, max_idle, for_room: false, sparing: true });
        }
    }

    /// Looks at the next slot: in the next shard that has any.
    fn visit_next(&self, look: Look) {
        for _ in 0..self.shards.len() {
            let number = self.hand.fetch_add(1, Ordering::Relaxed) % self.shards.len();
            let shard = &self.shards[number];
            let mut ring = lock(shard);
            if let Some(at) = ring.next() {
                let claimed = ring.get_mut(at).claim(look);
                drop(ring);
                if let Some((slot, idle)) = claimed {
                    self.evict(shard, slot, idle);
                }
                return;
            }
        }
    }

    /// Asks the layer whether it may go, and lets it go if nobody came meanwhile. The slot is dropped without the lock.
    fn evict(&self, shard: &Shard<K, L>, slot: Arc<Slot<K, L>>, idle: bool) {
        match (self.keep_of)(&slot.layer) {
            Keep::No => {}
            Keep::UntilIdle if idle => {}
            Keep::UntilIdle | Keep::Yes => return,
        }
        let mut ring = lock(shard);
        let Some(at) = ring.find(slot.hash, |kept| Arc::ptr_eq(&kept.slot, &slot)) else { return };
        let Kept { slot: kept, since } = ring.remove(at);
        let hash = slot.hash;
        // Not the last one.
        drop(slot);
        let back = match Arc::try_unwrap(kept) {
            Ok(slot) if !slot.is_claimed() => Arc::new(slot),
            Ok(slot) => {
                self.len.fetch_sub(1, Ordering::Relaxed);
                drop(ring);
                drop(slot);
                return;
            }
            Err(in_use) => in_use,
        };
        ring.push(hash, Kept { slot: back, since });
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, Ring<Kept<K, L>>> {
        // Other bits than those that find a place in a shard.
        #[allow(clippy::cast_possible_truncation, reason = "a few bits are enough")]
        let number = (hash >> 32) as usize % self.shards.len();
        lock(&self.shards[number])
    }
}

impl<K, L> Kept<K, L> {
    /// The slot, if it may have to go and nobody holds it; and whether it is idle.
    fn claim(&mut self, look: Look) -> Option<(Arc<Slot<K, L>>, bool)> {
        let visited = self.slot.claim();
        if visited != Visited::Unused {
            self.since = look.now;
        }
        if visited == Visited::Used && look.sparing {
            return None;
        }
        let idle = look.now.saturating_duration_since(self.since) > look.max_idle;
        if !idle && !look.for_room {
            return None;
        }
        // With the clone between them, these order the cleared mark before whatever a later holder does, and
        // whatever an earlier holder did before the layer is asked.
        fence(Ordering::Release);
        let slot = Arc::clone(&self.slot);
        fence(Ordering::Acquire);
        // This one and the clone. The clone is not the last, so it may be dropped with the lock.
        (Arc::strong_count(&slot) == 2).then_some((slot, idle))
    }
}

/// A comparison that panicked has changed nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
