//! The semaphore: how many permits are taken, and who waits for one.
//!
//! One word says how many permits there are, how many are taken, and whether anybody waits. While nobody waits, a permit
//! is taken by a compare-exchange and given back by a subtraction. Whoever finds the mark that somebody waits takes the
//! lock: while the mark stands, permits are taken under the lock only, so a newcomer cannot overtake the queue.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::time::Instant;

use super::queue::{Number, Queue, Turn};
use super::word::Word;
use crate::config::{InvalidConfig, check_count};
use crate::instance::{Instance, Pointer};
use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering, PoisonError};
use crate::until_body_end::{Guard, Sealed};

/// The permits of a bulkhead. Cheap to clone; all clones are the same bulkhead.
///
/// From [`BulkheadLayer::semaphore`](super::BulkheadLayer::semaphore): to look at it, and to resize it while it runs.
#[derive(Clone)]
pub struct Semaphore {
    shared: Arc<Shared>,
}

struct Shared {
    word: AtomicU64,
    /// The limit as nobody set it by hand: the first one, or the one that adapted last.
    own_limit: AtomicU64,
    queue: Mutex<Queue>,
}

/// A permit of the bulkhead, given back on drop.
pub struct Permit {
    semaphore: Pointer<Semaphore>,
}

/// A place in the queue, left on drop.
pub(super) struct Waiting {
    semaphore: Pointer<Semaphore>,
    number: Number,
    /// When it looks again, whether it is woken or not.
    next_look: Option<Instant>,
}

/// What a request meets that finds no free permit.
pub(super) enum Entry {
    /// A permit came free in the meantime.
    Permit(Permit),
    Queued(Waiting),
    /// The queue is full.
    Full,
}

impl Semaphore {
    pub(super) const MAX_LIMIT: usize = Word::MAX_LIMIT;

    pub(super) fn new(limit: usize) -> Result<Self, InvalidConfig> {
        check_count("limit", limit, Self::MAX_LIMIT)?;
        Ok(Self::with(limit))
    }

    /// As many permits as can be counted.
    pub(super) fn unlimited() -> Self {
        Self::with(Self::MAX_LIMIT)
    }

    fn with(limit: usize) -> Self {
        let word = AtomicU64::new(Word::new(limit).0);
        let own_limit = AtomicU64::new(limit as u64);
        Self { shared: Arc::new(Shared { word, own_limit, queue: Mutex::default() }) }
    }

    pub(super) fn sibling(&self) -> Self {
        Self::with(self.limit())
    }

    /// How many requests may be in flight at once.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "it came from a usize")]
    pub fn limit(&self) -> usize {
        self.shared.load().limit() as usize
    }

    /// How many requests are in flight.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "at most the largest limit there was")]
    pub fn in_flight(&self) -> usize {
        self.shared.load().taken() as usize
    }

    /// How many requests wait for a permit.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.shared.lock().len()
    }

    /// Changes the limit. Requests in flight go on, also where they are now too many; requests that wait are admitted at
    /// once where there are permits for them.
    ///
    /// # Errors
    ///
    /// If `limit` is zero or above 2,147,483,647.
    pub fn resize(&self, limit: usize) -> Result<(), InvalidConfig> {
        check_count("limit", limit, Self::MAX_LIMIT)?;
        self.shared.change(|word| Some(word.with_limit(limit)));
        self.shared.admit_waiting();
        Ok(())
    }

    /// Changes the limit, not by hand.
    pub(super) fn adapt_to(&self, limit: usize) -> Result<(), InvalidConfig> {
        self.shared.own_limit.store(limit as u64, Ordering::Relaxed);
        self.resize(limit)
    }

    /// Whether nobody holds a permit or waits for one, and nobody has resized it by hand.
    pub(crate) fn is_at_rest(&self) -> bool {
        let word = self.shared.load();
        !word.is_queued() && word.taken() == 0 && word.limit() == self.shared.own_limit.load(Ordering::Relaxed)
    }

    /// Whether a request that came now would find a permit.
    #[inline]
    pub(super) fn has_room(&self) -> bool {
        let word = self.shared.load();
        !word.is_queued() && word.has_room()
    }
}

impl Instance<Semaphore> {
    /// Takes a permit, if one is free and nobody waits for it.
    #[inline]
    pub(super) fn try_acquire(&mut self) -> Option<Permit> {
        let taken = self.shared.change(|word| (!word.is_queued() && word.has_room()).then(|| word.take_one()));
        taken.then(|| self.permit())
    }

    /// Joins the queue until `end`; or takes a permit that came free in the meantime.
    pub(super) fn enqueue(&mut self, max_queue: usize, end: Option<Instant>) -> Entry {
        let mut woken = Vec::new();
        let mut queue = self.shared.lock();
        self.shared.hand_out(&mut queue, &mut woken);
        let mut room = false;
        if queue.len() == 0 {
            // Either takes a permit or marks that somebody waits, whatever happens to the word meanwhile.
            self.shared.change(|word| {
                room = word.has_room();
                if room { Some(word.take_one()) } else { (max_queue > 0).then(|| word.with_queued(true)) }
            });
        }
        let number = (!room && queue.len() < max_queue).then(|| queue.join(end));
        drop(queue);
        woken.into_iter().for_each(Waker::wake);
        match number {
            _ if room => Entry::Permit(self.permit()),
            Some(number) => Entry::Queued(Waiting { semaphore: Arc::clone(self.called()), number, next_look: None }),
            None => Entry::Full,
        }
    }

    #[inline]
    fn permit(&mut self) -> Permit {
        Permit { semaphore: Arc::clone(self.called()) }
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore").field("limit", &self.limit()).field("in_flight", &self.in_flight()).finish()
    }
}

impl Shared {
    #[inline]
    fn load(&self) -> Word {
        Word(self.word.load(Ordering::Relaxed))
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the word, unless `next` declines. Giving a permit back happens before it is taken again.
    #[inline]
    fn change(&self, mut next: impl FnMut(Word) -> Option<Word>) -> bool {
        self.word.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |word| next(Word(word)).map(|word| word.0)).is_ok()
    }

    #[inline]
    fn release(&self) {
        if Word(self.word.fetch_sub(1, Ordering::AcqRel)).is_queued() {
            self.admit_waiting();
        }
    }

    /// Gives the permits that are free to the first in the queue.
    #[cold]
    fn admit_waiting(&self) {
        let mut woken = Vec::new();
        let mut queue = self.lock();
        self.hand_out(&mut queue, &mut woken);
        drop(queue);
        // Not under the lock: a waker may run or drop anything.
        woken.into_iter().for_each(Waker::wake);
    }

    /// Gives the permits that are free to the first in the queue, after those whose wait has ended have left it. The mark
    /// goes with the last.
    fn hand_out(&self, queue: &mut Queue, woken: &mut Vec<Waker>) {
        let waited = queue.len() > 0;
        let expired = queue.expire(Instant::now(), woken);
        if expired > 0 {
            self.word.fetch_sub(expired, Ordering::AcqRel);
        }
        if waited && queue.len() == 0 {
            self.change(|word| Some(word.with_queued(false)));
        }
        while queue.len() > 0 {
            let more = queue.len() > 1;
            if !self.change(|word| word.has_room().then(|| word.take_one().with_queued(more))) {
                break;
            }
            woken.extend(queue.grant_first());
        }
        woken.extend(queue.take_watcher());
    }
}

impl Sealed for Permit {}

/// However the request ended, its permit is given back.
impl Guard for Permit {
    #[inline]
    fn complete(self) {}

    fn fail(self) {}
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Permit")
    }
}

impl Drop for Permit {
    #[inline]
    fn drop(&mut self) {
        self.semaphore.shared.release();
    }
}

impl Waiting {
    #[allow(clippy::cast_possible_truncation, reason = "it came from a usize")]
    pub(super) fn limit(&self) -> usize {
        self.semaphore.shared.load().limit() as usize
    }

    /// When its wait ends; `None` if it waits for ever.
    pub(super) fn end(&self) -> Option<Instant> {
        self.number.end()
    }

    /// When it has to look again, and [give permits to others](Self::hand_out) before, if there is such a moment.
    pub(super) const fn next_look(&self) -> Option<Instant> {
        self.next_look
    }

    /// Gives the permits of those whose wait has ended to the first in the queue.
    pub(super) fn hand_out(&self) {
        self.semaphore.shared.admit_waiting();
    }

    /// Waits until `end` instead; `false` if the wait has ended already.
    pub(super) fn wait_until(&mut self, end: Option<Instant>) -> bool {
        self.semaphore.shared.lock().wait_until(&mut self.number, end)
    }

    /// The permit; `None` if the wait has ended and the turn went to others.
    pub(super) fn poll_permit(&mut self, cx: &mut Context<'_>) -> Poll<Option<Permit>> {
        // Wakers are cloned and dropped outside the lock: they may run anything.
        let mut waker = Some(cx.waker().clone());
        let turn = self.semaphore.shared.lock().look(self.number, &mut waker);
        match turn {
            Turn::Granted => Poll::Ready(Some(Permit { semaphore: Arc::clone(&self.semaphore) })),
            Turn::Waiting(next_look) => {
                self.next_look = next_look;
                Poll::Pending
            }
            Turn::Over => Poll::Ready(None),
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut queue = self.semaphore.shared.lock();
        let (turn, waker) = queue.leave(self.number);
        let waited = matches!(turn, Turn::Waiting(_));
        if waited && queue.len() == 0 {
            self.semaphore.shared.change(|word| Some(word.with_queued(false)));
        }
        let watcher = if waited { queue.take_watcher() } else { None };
        drop(queue);
        drop(waker);
        watcher.into_iter().for_each(Waker::wake);
        if turn == Turn::Granted {
            self.semaphore.shared.release();
        }
    }
}

#[cfg(test)]
mod tests;
