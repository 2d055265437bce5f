//! A list with an index by hash, and a hand that goes around it.
//!
//! It takes hashes, not keys: it never runs code of the key's type except for the comparison that a caller passes to
//! [`find`](Ring::find), before anything is changed. So a `Hash` or `Eq` that panics leaves it as it was.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};

#[derive(Debug)]
pub(super) struct Ring<T> {
    items: Vec<Item<T>>,
    index: HashMap<Place, usize, BuildHasherDefault<AsIs>>,
    hand: usize,
}

#[derive(Debug)]
struct Item<T> {
    place: Place,
    value: T,
}

/// Values of the same hash are numbered without a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    hash: u64,
    number: u64,
}

/// Spreads the numbers of one hash: the golden ratio in 64 bits.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

impl Hash for Place {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash ^ self.number.wrapping_mul(SPREAD));
    }
}

/// The hashes come hashed.
#[derive(Debug, Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl<T> Ring<T> {
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.items.iter().map(|item| &item.value)
    }

    /// Where the value of this hash is of which `is` is true.
    pub(super) fn find(&self, hash: u64, mut is: impl FnMut(&T) -> bool) -> Option<usize> {
        (0..).map_while(|number| self.at(hash, number)).find(|&at| is(&self.items[at].value))
    }

    fn at(&self, hash: u64, number: u64) -> Option<usize> {
        self.index.get(&Place { hash, number }).copied()
    }

    /// The first number, from this one on, that no value of this hash has.
    fn first_free(&self, hash: u64, mut number: u64) -> u64 {
        while self.at(hash, number).is_some() {
            number += 1;
        }
        number
    }

    pub(super) fn get(&self, at: usize) -> &T {
        &self.items[at].value
    }

    pub(super) fn get_mut(&mut self, at: usize) -> &mut T {
        &mut self.items[at].value
    }

    /// Adds a value, whether there are others of its hash or not.
    pub(super) fn push(&mut self, hash: u64, value: T) {
        let place = Place { hash, number: self.first_free(hash, 0) };
        self.index.insert(place, self.items.len());
        self.items.push(Item { place, value });
    }

    /// Removes the value there. The last one takes its place.
    pub(super) fn remove(&mut self, at: usize) -> T {
        let Item { place, value } = self.items.swap_remove(at);
        self.index.remove(&place);
        if let Some(moved) = self.items.get(at) {
            self.index.insert(moved.place, at);
        }
        self.close_gap(place);
        value
    }

    /// Gives a number that has become free to the last value of the same hash.
    fn close_gap(&mut self, gap: Place) {
        let hash = gap.hash;
        let number = self.first_free(hash, gap.number + 1) - 1;
        if let Some(at) = self.index.remove(&Place { hash, number }) {
            self.items[at].place = gap;
            self.index.insert(gap, at);
        }
    }

    /// The next value under the hand, which comes to each in turn.
    pub(super) fn next(&mut self) -> Option<usize> {
        if self.items.is_empty() {
            return None;
        }
        let at = if self.hand < self.items.len() { self.hand } else { 0 };
        self.hand = at + 1;
        Some(at)
    }
}

impl<T> Default for Ring<T> {
    fn default() -> Self {
        Self { items: Vec::new(), index: HashMap::default(), hand: 0 }
    }
}

#[cfg(test)]
mod tests;
