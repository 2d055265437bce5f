//! Who waits for a permit, and who was handed one and has not picked it up yet.
//!
//! A permit is handed to the first in the queue, whose future picks it up when it is polled. A future that nobody polls
//! keeps its turn, or its permit, until its wait ends; then both go to others. Where one was handed a permit that was never
//! polled, the first behind that was looks when that wait has ended: nobody else need come.

use std::collections::{BTreeMap, BTreeSet};
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

/// The waiters in the order in which they came.
#[derive(Default)]
pub(super) struct Queue {
    waiting: BTreeMap<u64, Option<Waker>>,
    /// Were handed a permit.
    granted: BTreeSet<u64>,
    /// Those of them that had never been polled.
    unseen: BTreeSet<u64>,
    /// When each of both kinds has waited long enough, unless it waits for ever.
    ends: BTreeSet<(Instant, u64)>,
    next: u64,
}

/// A place in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Number {
    number: u64,
    end: Option<Instant>,
}

impl Number {
    pub(super) const fn end(self) -> Option<Instant> {
        self.end
    }
}

/// What a waiter finds when it looks.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It has a permit. It is no longer in the queue.
    Granted,
    /// It is still in the queue, and looks again at this moment, if there is one.
    Waiting(Option<Instant>),
    /// Its wait ended, and its turn went to others.
    Over,
}

impl Queue {
    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Joins the queue as the last, to wait until `end`.
    pub(super) fn join(&mut self, end: Option<Instant>) -> Number {
        let number = self.next;
        self.next += 1;
        self.waiting.insert(number, None);
        self.ends.extend(end.map(|end| (end, number)));
        Number { number, end }
    }

    /// Lets `number` wait until `end` instead; `false` if its wait has ended already.
    pub(super) fn wait_until(&mut self, number: &mut Number, end: Option<Instant>) -> bool {
        let is_there = self.waiting.contains_key(&number.number) || self.granted.contains(&number.number);
        if is_there {
            self.forget_end(*number);
            number.end = end;
            self.ends.extend(end.map(|end| (end, number.number)));
        }
        is_there
    }

    /// Hands a permit to the first. The waker is what wakes it, if it was polled before.
    pub(super) fn grant_first(&mut self) -> Option<Waker> {
        let (number, waker) = self.waiting.pop_first()?;
        self.granted.insert(number);
        if waker.is_none() {
            self.unseen.insert(number);
        }
        waker
    }

    /// The waker of the first that was polled, if it has to look for those whose permit nobody may pick up.
    pub(super) fn take_watcher(&mut self) -> Option<Waker> {
        if self.unseen.is_empty() { None } else { self.waiting.values_mut().find_map(Option::take) }
    }

    /// Takes those out whose wait ended before `now`: at its very end a permit is still taken. Returns how many permits
    /// had been handed to them, and adds their wakers to `dropped`.
    pub(super) fn expire(&mut self, now: Instant, dropped: &mut Vec<Waker>) -> u64 {
        let mut permits = 0;
        while let Some(&(_, number)) = self.ends.first().filter(|(end, _)| *end < now) {
            self.ends.pop_first();
            match self.waiting.remove(&number) {
                Some(waker) => dropped.extend(waker),
                None => permits += u64::from(self.take_granted(number)),
            }
        }
        permits
    }

    /// Whether `number` has its permit; if it still waits, `waker` will wake it, and takes the place of the one before.
    pub(super) fn look(&mut self, number: Number, waker: &mut Option<Waker>) -> Turn {
        if let Some(slot) = self.waiting.get_mut(&number.number) {
            std::mem::swap(slot, waker);
            return Turn::Waiting(self.next_look());
        }
        if self.take_granted(number.number) {
            self.forget_end(number);
            return Turn::Granted;
        }
        Turn::Over
    }

    /// Leaves the queue, and returns as what.
    pub(super) fn leave(&mut self, number: Number) -> (Turn, Option<Waker>) {
        self.forget_end(number);
        match self.waiting.remove(&number.number) {
            Some(waker) => (Turn::Waiting(None), waker),
            None if self.take_granted(number.number) => (Turn::Granted, None),
            None => (Turn::Over, None),
        }
    }

    /// When the first has waited long enough of those whose permit nobody may pick up: at its very end it still may.
    fn next_look(&self) -> Option<Instant> {
        if self.unseen.is_empty() {
            return None;
        }
        let (end, _) = self.ends.iter().find(|(_, number)| self.unseen.contains(number))?;
        end.checked_add(Duration::from_nanos(1))
    }

    fn take_granted(&mut self, number: u64) -> bool {
        self.unseen.remove(&number);
        self.granted.remove(&number)
    }

    fn forget_end(&mut self, number: Number) {
        if let Some(end) = number.end {
            self.ends.remove(&(end, number.number));
        }
    }
}

#[cfg(test)]
impl Queue {
    /// How many entries it keeps of any kind.
    pub(super) fn size(&self) -> usize {
        self.waiting.len() + self.granted.len() + self.unseen.len() + self.ends.len()
    }
}
