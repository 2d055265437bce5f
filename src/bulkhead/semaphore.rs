//! The semaphore: how many places are taken, and who waits for one.
//!
//! One word says how many places there are, how many are taken, and whether anybody waits. While nobody waits, a
//! place is taken by a compare-exchange and given back by a subtraction. Whoever finds the mark that somebody waits
//! takes the lock: as long as the mark stands, places are taken under the lock only, so a newcomer cannot overtake the
//! queue.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::sync::oneshot;

use crate::config::{InvalidConfig, check_count};
use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering, PoisonError};
use crate::until_body_end::{Guard, Sealed};

/// The places of a bulkhead. Cheap to clone; all clones are the same bulkhead.
///
/// From [`BulkheadLayer::semaphore`](super::BulkheadLayer::semaphore): to look at it, and to resize it while it runs.
#[derive(Clone)]
pub struct Semaphore {
    shared: Arc<Shared>,
}

struct Shared {
    word: AtomicU64,
    queue: Mutex<Queue>,
}

/// Who waits, in the order they came. A map, so that one who leaves is gone at once, wherever it stood.
#[derive(Default)]
struct Queue {
    waiting: BTreeMap<u64, oneshot::Sender<Permit>>,
    next: u64,
    /// Whether the limit was changed since it was built.
    resized: bool,
}

/// A place in the bulkhead, given back on drop.
pub struct Permit {
    /// `None` once the place is somebody else's.
    shared: Option<Arc<Shared>>,
}

/// A place in the queue, left on drop.
pub(super) struct Waiting {
    shared: Arc<Shared>,
    number: u64,
    permit: oneshot::Receiver<Permit>,
}

/// The word: places taken, whether somebody waits, and the limit.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Word(u64);

impl Word {
    const MAX_LIMIT: usize = (1 << 31) - 1;
    const TAKEN: u64 = (1 << 31) - 1;
    const QUEUED: u64 = 1 << 31;
    const LIMIT_SHIFT: u32 = 32;

    const fn new(limit: usize) -> Self {
        Self((limit as u64) << Self::LIMIT_SHIFT)
    }

    const fn taken(self) -> u64 {
        self.0 & Self::TAKEN
    }

    const fn limit(self) -> u64 {
        self.0 >> Self::LIMIT_SHIFT
    }

    const fn is_queued(self) -> bool {
        self.0 & Self::QUEUED != 0
    }

    const fn has_room(self) -> bool {
        self.taken() < self.limit()
    }

    const fn with_queued(self, queued: bool) -> Self {
        Self(self.0 & !Self::QUEUED | if queued { Self::QUEUED } else { 0 })
    }

    const fn take_one(self) -> Self {
        Self(self.0 + 1)
    }

    const fn with_limit(self, limit: usize) -> Self {
        Self(self.0 & (Self::TAKEN | Self::QUEUED) | Self::new(limit).0)
    }
}

impl Semaphore {
    pub(super) fn new(limit: usize) -> Result<Self, InvalidConfig> {
        check_count("limit", limit, Word::MAX_LIMIT)?;
        Ok(Self::with(Word::new(limit)))
    }

    pub(super) fn unlimited() -> Self {
        Self::with(Word::new(Word::MAX_LIMIT))
    }

    fn with(word: Word) -> Self {
        Self { shared: Arc::new(Shared { word: AtomicU64::new(word.0), queue: Mutex::default() }) }
    }

    pub(super) fn sibling(&self) -> Self {
        Self::with(Word::new(self.limit()))
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

    /// How many requests wait for a place.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.shared.lock().waiting.len()
    }

    /// Changes the limit. Requests in flight go on, also where they are now too many; requests that wait are let in
    /// at once where there is room for them.
    ///
    /// # Errors
    ///
    /// If `limit` is zero or above 2,147,483,647.
    pub fn resize(&self, limit: usize) -> Result<(), InvalidConfig> {
        check_count("limit", limit, Word::MAX_LIMIT)?;
        self.shared.lock().resized = true;
        self.shared.change(|word| Some(word.with_limit(limit)));
        self.shared.let_in();
        Ok(())
    }

    /// Whether nobody holds a place or waits for one, and the limit is that which it was built with.
    pub(crate) fn is_as_new(&self) -> bool {
        let word = self.shared.load();
        word.taken() == 0 && !word.is_queued() && !self.shared.lock().resized
    }

    /// Takes a place, if there is one and nobody waits for it.
    #[inline]
    pub(super) fn try_acquire(&self) -> Option<Permit> {
        let taken = self.shared.change(|word| (!word.is_queued() && word.has_room()).then(|| word.take_one()));
        taken.then(|| self.permit())
    }

    /// Joins the queue; or takes a place that came free in the meantime. `None` if `max_queue` wait already.
    pub(super) fn enqueue(&self, max_queue: usize) -> Option<Result<Permit, Waiting>> {
        let mut queue = self.shared.lock();
        if queue.waiting.is_empty() {
            // Either takes a place or marks that somebody waits, whatever happens to the word meanwhile.
            let mut room = false;
            self.shared.change(|word| {
                room = word.has_room();
                if room { Some(word.take_one()) } else { (max_queue > 0).then(|| word.with_queued(true)) }
            });
            if room {
                return Some(Ok(self.permit()));
            }
        }
        if queue.waiting.len() >= max_queue {
            return None;
        }
        let (sender, permit) = oneshot::channel();
        let number = queue.next;
        queue.next += 1;
        queue.waiting.insert(number, sender);
        Some(Err(Waiting { shared: Arc::clone(&self.shared), number, permit }))
    }

    #[inline]
    fn permit(&self) -> Permit {
        Permit::new(Arc::clone(&self.shared))
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

    /// Changes the word, unless `next` declines. Giving a place back happens before it is taken again.
    #[inline]
    fn change(&self, mut next: impl FnMut(Word) -> Option<Word>) -> bool {
        self.word.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |word| next(Word(word)).map(|word| word.0)).is_ok()
    }

    #[inline]
    fn release(self: &Arc<Self>) {
        if Word(self.word.fetch_sub(1, Ordering::AcqRel)).is_queued() {
            self.let_in();
        }
    }

    /// Gives the places that are free to the first in the queue.
    #[cold]
    fn let_in(self: &Arc<Self>) {
        while let Some(first) = self.pop() {
            if let Err(permit) = first.send(Permit::new(Arc::clone(self))) {
                // It has just left. The place is still ours to give.
                permit.forget();
                self.word.fetch_sub(1, Ordering::AcqRel);
            }
        }
    }

    /// The first in the queue, with a place taken for it if there is one. The mark goes with the last.
    fn pop(&self) -> Option<oneshot::Sender<Permit>> {
        let mut queue = self.lock();
        let more = queue.waiting.len() > 1;
        let first = queue.waiting.first_entry()?;
        let taken = self.change(|word| word.has_room().then(|| word.take_one().with_queued(more)));
        taken.then(|| first.remove())
    }
}

impl Permit {
    #[inline]
    const fn new(shared: Arc<Shared>) -> Self {
        Self { shared: Some(shared) }
    }

    /// Does not give the place back.
    fn forget(mut self) {
        self.shared = None;
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
        if let Some(shared) = self.shared.take() {
            shared.release();
        }
    }
}

impl Waiting {
    #[allow(clippy::cast_possible_truncation, reason = "it came from a usize")]
    pub(super) fn limit(&self) -> usize {
        self.shared.load().limit() as usize
    }

    pub(super) fn poll_permit(&mut self, cx: &mut Context<'_>) -> Poll<Permit> {
        // The sender leaves the queue only to send, or together with this.
        match ready!(Pin::new(&mut self.permit).poll(cx)) {
            Ok(permit) => Poll::Ready(permit),
            Err(_) => Poll::Pending,
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        if queue.waiting.remove(&self.number).is_some() && queue.waiting.is_empty() {
            self.shared.change(|word| Some(word.with_queued(false)));
        }
    }
}

#[cfg(test)]
mod tests;
