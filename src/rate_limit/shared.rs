//! The limit that threads share: a word in front of a lock.
//!
//! While nobody waits and nothing is paused, the theoretical arrival time in the word tells all, and a request passes by
//! a compare-exchange. Otherwise the word is marked, and everybody takes the lock: as long as the mark stands, nothing
//! passes without it, so a newcomer cannot overtake the queue.

use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use super::gcra::{Gcra, NEVER, Nanos, Refusal};
use super::queue::Queue;
use super::word::Word;
use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering, PoisonError};

pub(super) struct Shared {
    word: AtomicU64,
    // The numbers of the rate, which belong to the word: see there.
    interval: AtomicU64,
    refill: AtomicU64,
    pub(super) origin: Instant,
    /// The first numbers.
    built_with: Gcra,
    queue: Mutex<Queue>,
}

/// Who may wait, and for how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub(super) max_wait: Duration,
    pub(super) max_queue: usize,
}

impl Shared {
    pub(super) fn new(gcra: Gcra) -> Self {
        Self {
            word: AtomicU64::new(0),
            interval: AtomicU64::new(gcra.interval),
            refill: AtomicU64::new(gcra.refill),
            origin: Instant::now(),
            built_with: gcra,
            queue: Mutex::new(Queue::new(gcra)),
        }
    }

    /// What the word tells; `None` if it does not tell all. A cost of zero passes whatever it says.
    #[inline]
    pub(super) fn pass(&self, cost: u32) -> Option<Result<(), (Refusal, Nanos)>> {
        if cost == 0 {
            return Some(Ok(()));
        }
        let mut now = self.now();
        let mut refusal = None;
        let passed = self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
            let word = Word(word);
            refusal = None;
            if word.is_locked() {
                return None;
            }
            let gcra = self.gcra();
            let mut passes = gcra.pass(word.tat(), now, cost.into());
            if passes.is_err() {
                // Another may have read the clock after this and passed before: only a later time than all of theirs
                // tells that there is no room.
                now = self.now();
                passes = gcra.pass(word.tat(), now, cost.into());
            }
            refusal = passes.err();
            passes.ok().map(|tat| word.with_tat(tat).0)
        });
        match passed {
            Ok(_) => Some(Ok(())),
            // Still the same: the numbers belonged together.
            Err(word) if word == self.word.load(Ordering::Acquire) => refusal.map(|refusal| Err((refusal, now))),
            Err(_) => None,
        }
    }

    /// The numbers of the rate. They are those of a word that was loaded before, if it is found unchanged after.
    #[inline]
    fn gcra(&self) -> Gcra {
        Gcra { interval: self.interval.load(Ordering::Acquire), refill: self.refill.load(Ordering::Acquire) }
    }

    /// Acts on the queue. Nobody passes without the lock meanwhile, and those who are to be woken are once it is gone.
    pub(super) fn locked<T>(&self, act: impl FnOnce(&mut Queue, Nanos) -> T) -> T {
        let mut queue = self.lock();
        let marked =
            self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| Some(Word(word).with_locked(true).0));
        let mut word = Word(marked.unwrap_or_else(|word| word));
        queue.tat = word.tat();
        let before = queue.gcra;
        let now = self.now();
        let result = act(&mut queue, now);
        if queue.gcra != before {
            word = word.next_edition();
            self.interval.store(queue.gcra.interval, Ordering::Release);
            self.refill.store(queue.gcra.refill, Ordering::Release);
        }
        let word = word.with_tat(queue.tat).with_locked(queue.must_be_asked(now));
        self.word.store(word.0, Ordering::Release);
        let wakers = std::mem::take(&mut queue.wakers);
        drop(queue);
        wakers.into_iter().for_each(Waker::wake);
        result
    }

    /// Whether it is like a new one: all has come back, nobody waits, nothing is paused, and the rate is the first.
    pub(super) fn is_as_new(&self) -> bool {
        self.locked(|queue, now| queue.gcra == self.built_with && queue.tat <= now && !queue.must_be_asked(now))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[inline]
    fn now(&self) -> Nanos {
        nanos(self.origin.elapsed())
    }

    /// `None` for what is beyond the clock.
    pub(super) fn instant(&self, at: Nanos) -> Option<Instant> {
        if at < NEVER { self.origin.checked_add(Duration::from_nanos(at)) } else { None }
    }
}

impl Patience {
    pub(super) fn last_start(self, now: Nanos) -> Nanos {
        now.saturating_add(nanos(self.max_wait))
    }

    pub(super) fn is_over(self, now: Nanos, at: Nanos) -> bool {
        at > self.last_start(now) || self.max_queue == 0
    }
}

/// The wait from one moment to another: 73 years for what never ends.
pub(super) const fn wait(now: Nanos, at: Nanos) -> Duration {
    Duration::from_nanos(at.saturating_sub(now))
}

#[inline]
pub(super) fn nanos(duration: Duration) -> Nanos {
    duration.as_secs().saturating_mul(1_000_000_000).saturating_add(duration.subsec_nanos().into())
}
