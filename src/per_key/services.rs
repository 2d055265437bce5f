//! The services made for the keys, so that not every request makes one.
//!
//! It is a cache: the layers are the table's. A service is kept beside a `Weak` of the slot whose layer made it; once
//! that slot is evicted, the service is of no use, and is dropped soon after.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::ring::Ring;
use super::slot::Slot;

/// Requests of different keys should not meet in one lock; more would only cost memory, in every family of services.
const SHARDS: usize = 16;

/// How many lookups in a shard there are to one look around in the table.
const LOOKUPS_PER_LOOK: u32 = 16;
/// How many services are looked at for each that is added: more than one, so that those of evicted keys do not pile up.
const VISITS: usize = 2;

pub(super) struct Services<K, L, S> {
    shards: [Shard<Made<K, L, S>>; SHARDS],
    /// That of the layer which keys share.
    overflow: Mutex<Option<S>>,
}

/// Two cache lines long, because some processors fetch them in pairs.
#[repr(align(128))]
struct Shard<T>(Mutex<Part<T>>);

struct Part<T> {
    ring: Ring<T>,
    lookups: u32,
}

struct Made<K, L, S> {
    slot: Weak<Slot<K, L>>,
    service: S,
}

/// What was found.
pub(super) struct Found<K, L, S> {
    pub(super) made: Option<(Arc<Slot<K, L>>, S)>,
    /// Whether it is time to look around in the table.
    pub(super) look_around: bool,
}

impl<K, L, S: Clone> Services<K, L, S> {
    /// A clone of the service for a key of this hash, which is almost certainly the key that is meant.
    pub(super) fn get(&self, hash: u64) -> Found<K, L, S> {
        let mut part = self.part(hash);
        part.lookups = part.lookups.wrapping_add(1);
        let look_around = part.lookups % LOOKUPS_PER_LOOK == 0;
        let found = part.ring.find(hash, |_| true).and_then(|at| {
            let made = part.ring.get(at);
            made.slot.upgrade().map(|slot| (slot, made.service.clone()))
        });
        Found { made: found, look_around }
    }

    /// Keeps a service, in place of one of the same hash. Drops a few of those that are of no use any more.
    pub(super) fn insert(&self, slot: &Arc<Slot<K, L>>, service: S) {
        let hash = slot.hash;
        let mut useless = [const { None }; VISITS + 1];
        let mut part = self.part(hash);
        if let Some(at) = part.ring.find(hash, |_| true) {
            useless[VISITS] = Some(part.ring.remove(at));
        }
        for useless in &mut useless[..VISITS] {
            if let Some(at) = part.ring.next().filter(|&at| part.ring.get(at).slot.strong_count() == 0) {
                *useless = Some(part.ring.remove(at));
            }
        }
        part.ring.push(hash, Made { slot: Arc::downgrade(slot), service });
        // Now, before users' destructors run.
        drop(part);
    }

    pub(super) fn overflow(&self, make: impl FnOnce() -> S) -> S {
        let lock = || self.overflow.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(service) = &*lock() {
            return service.clone();
        }
        // Without the lock.
        let service = make();
        let clone = service.clone();
        let earlier = lock().replace(clone);
        drop(earlier);
        service
    }

    fn part(&self, hash: u64) -> MutexGuard<'_, Part<Made<K, L, S>>> {
        #[allow(clippy::cast_possible_truncation, reason = "a few bits are enough")]
        let number = (hash >> 32) as usize % SHARDS;
        self.shards[number].0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K, L, S> Default for Services<K, L, S> {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| Shard::default()), overflow: Mutex::new(None) }
    }
}

impl<T> Default for Shard<T> {
    fn default() -> Self {
        Self(Mutex::new(Part { ring: Ring::default(), lookups: 0 }))
    }
}
