use std::sync::{Arc, Weak};

use super::slot::Slot;

/// How many requests there are to one look around in the table.
const REQUESTS_PER_LOOK: u8 = 16;

/// The service of the key that was asked for several times in a row: found without a lock, so that tasks with one key
/// do not wait for each other. Each clone has its own.
pub(super) struct Recent<K, L, S> {
    last: u64,
    made: Option<(Weak<Slot<K, L>>, S)>,
    found: u8,
}

impl<K: Eq, L, S: Clone> Recent<K, L, S> {
    #[inline]
    pub(super) fn get(&mut self, key: &K) -> Option<(Arc<Slot<K, L>>, S)> {
        let (slot, service) = self.made.as_ref()?;
        match slot.upgrade() {
            Some(slot) if slot.key == *key => {
                self.found += 1;
                Some((slot, service.clone()))
            }
            _ => {
                self.made = None;
                None
            }
        }
    }

    /// Whether enough were found here, where the table does not count them.
    #[inline]
    pub(super) fn is_time_to_look_around(&mut self) -> bool {
        let is_time = self.found == REQUESTS_PER_LOOK;
        if is_time {
            self.found = 0;
        }
        is_time
    }

    /// Notes what was found elsewhere. Only the second time is it kept: keys that take turns are not worth it.
    #[inline]
    pub(super) fn note(&mut self, slot: &Arc<Slot<K, L>>, service: &S) {
        if self.last == slot.hash {
            self.made = Some((Arc::downgrade(slot), service.clone()));
        }
        self.last = slot.hash;
    }
}

impl<K, L, S> Default for Recent<K, L, S> {
    fn default() -> Self {
        Self { last: 0, made: None, found: 0 }
    }
}
