//! The limit that threads share: a word in front of a lock.
//!
//! While nobody waits and nothing is paused, the theoretical arrival time in the word tells all, and a request passes by
//! a compare-exchange. Otherwise the word is marked, and everybody takes the lock: as long as the mark stands, nothing
//! passes without it, so a newcomer cannot overtake the queue.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::time::Instant;

use super::gcra::{Gcra, NEVER, Nanos, Refusal};
use super::queue::{Arrival, Look, Queue};
use super::rate::Rate;
use super::word::Word;
use crate::deadline::report_wait;
use crate::error::Rejection;
use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering, PoisonError};

/// The state of a rate limit. Cheap to clone; all clones are the same limit.
///
/// From [`RateLimitLayer::limit`](super::RateLimitLayer::limit): to look at it, to change it while it runs, and to hold
/// to it what is no service.
///
/// ```
/// use std::time::Duration;
/// use windbreak::rate_limit::{Rate, RateLimit};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), windbreak::InvalidConfig> {
/// let limit = RateLimit::new(Rate::per_second(50).burst(10)?);
/// assert!(limit.try_acquire(8).is_ok());
/// assert_eq!(limit.available(), 2);
///
/// let rejection = limit.try_acquire(3).unwrap_err();
/// assert_eq!(rejection.retry_after(), Some(Duration::from_millis(20)));
/// tokio::time::sleep(Duration::from_millis(20)).await;
/// assert!(limit.try_acquire(3).is_ok());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RateLimit {
    shared: Arc<Shared>,
}

struct Shared {
    word: AtomicU64,
    // The numbers of the rate, which belong to the word: see there.
    interval: AtomicU64,
    refill: AtomicU64,
    origin: Instant,
    queue: Mutex<Queue>,
}

/// Who may wait, and for how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub(super) max_wait: Duration,
    pub(super) max_queue: usize,
}

/// What becomes of a request that comes.
pub(super) enum Admission {
    Passed,
    Waits(Waiting),
    Refused(Option<Duration>),
}

/// A place in the queue, left on drop.
pub(super) struct Waiting {
    shared: Arc<Shared>,
    number: u64,
    since: Nanos,
    max_wait: Duration,
    in_queue: bool,
}

/// What one that waits is told.
pub(super) enum Turn {
    Passed,
    /// Not before this moment, or not before it is woken.
    NotBefore(Option<Instant>),
    Refused(Option<Duration>),
}

impl RateLimit {
    /// A limit of which nothing is used.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Self::with(Gcra::new(rate))
    }

    fn with(gcra: Gcra) -> Self {
        let shared = Shared {
            word: AtomicU64::new(0),
            interval: AtomicU64::new(gcra.interval),
            refill: AtomicU64::new(gcra.refill),
            origin: Instant::now(),
            queue: Mutex::new(Queue::new(gcra)),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Another limit of the same rate, of which nothing is used.
    #[must_use]
    pub fn sibling(&self) -> Self {
        Self::with(self.shared.lock().gcra)
    }

    /// How much may pass at this moment; zero while requests wait or the limit is paused.
    #[must_use]
    pub fn available(&self) -> u32 {
        self.shared.locked(Queue::available)
    }

    /// How many requests wait.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.shared.lock().waiting()
    }

    /// Lets `cost` pass, or refuses it at once. It never waits. A cost of zero always passes.
    ///
    /// # Errors
    ///
    /// [`Rejection::RateLimited`], if less than `cost` is available. Its `retry_after` says when that much will be,
    /// if nothing else passes before; `None` if that is never, because `cost` is above the burst.
    pub fn try_acquire(&self, cost: u32) -> Result<(), Rejection> {
        match self.admit(cost, Patience { max_wait: Duration::ZERO, max_queue: 0 }) {
            Admission::Passed => Ok(()),
            Admission::Refused(retry_after) => Err(Rejection::rate_limited(retry_after)),
            Admission::Waits(_) => unreachable!("nobody may wait in a queue of zero"),
        }
    }

    /// Goes on at another rate. What has passed and not come back stays outstanding: ten requests that have just passed
    /// come back at the new rate. Requests that wait keep their order, and are given new times; one whose cost no longer
    /// fits into the burst is refused.
    pub fn set(&self, rate: Rate) {
        let gcra = Gcra::new(rate);
        self.shared.locked(|queue, now| queue.set(gcra, now));
    }

    /// Lets nothing pass for this time. What comes back meanwhile is kept, up to a burst. The longest pause wins: a
    /// shorter one changes nothing. A pause too long for the clock never ends.
    pub fn pause_for(&self, pause: Duration) {
        self.shared.locked(|queue, now| queue.pause(now.saturating_add(nanos(pause))));
    }

    /// Takes back what is available beyond `left`.
    pub(super) fn lower_to(&self, left: u32) {
        self.shared.locked(|queue, now| queue.lower(left, now));
    }

    #[inline]
    pub(super) fn admit(&self, cost: u32, patience: Patience) -> Admission {
        match self.shared.pass(cost) {
            Some(Ok(())) => Admission::Passed,
            Some(Err((Refusal::TooDear, _))) => Admission::Refused(None),
            Some(Err((Refusal::Until(at), now))) if patience.is_over(now, at) => Admission::Refused(wait(now, at)),
            _ => self.ask(cost, patience),
        }
    }

    #[cold]
    fn ask(&self, cost: u32, patience: Patience) -> Admission {
        let (arrival, now) = self
            .shared
            .locked(|queue, now| (queue.arrive(cost, now, patience.last_start(now), patience.max_queue), now));
        match arrival {
            Arrival::Passed => Admission::Passed,
            Arrival::Waits(number) => Admission::Waits(Waiting {
                shared: Arc::clone(&self.shared),
                number,
                since: now,
                max_wait: patience.max_wait,
                in_queue: true,
            }),
            Arrival::Refused(Refusal::Until(at)) => Admission::Refused(wait(now, at)),
            Arrival::Refused(Refusal::TooDear) => Admission::Refused(None),
        }
    }
}

impl fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gcra = self.shared.lock().gcra;
        f.debug_struct("RateLimit")
            .field("interval", &Duration::from_nanos(gcra.interval))
            .field("burst", &(gcra.refill / gcra.interval))
            .field("available", &self.available())
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// What the word tells; `None` if it does not tell all. A cost of zero passes whatever it says.
    #[inline]
    fn pass(&self, cost: u32) -> Option<Result<(), (Refusal, Nanos)>> {
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
    fn locked<T>(&self, act: impl FnOnce(&mut Queue, Nanos) -> T) -> T {
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

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[inline]
    fn now(&self) -> Nanos {
        nanos(self.origin.elapsed())
    }

    /// `None` for what is beyond the clock.
    fn instant(&self, at: Nanos) -> Option<Instant> {
        if at < NEVER { self.origin.checked_add(Duration::from_nanos(at)) } else { None }
    }
}

impl Waiting {
    /// Whether its turn has come. A turn at `deadline` or after it is refused.
    pub(super) fn poll_turn(&mut self, cx: &Context<'_>, deadline: Option<Instant>) -> Turn {
        // At the deadline there is no time left for the request itself.
        let before = deadline.map(|end| nanos(end.saturating_duration_since(self.shared.origin)).saturating_sub(1));
        let patience = Patience { max_wait: self.max_wait, max_queue: 0 };
        let last_start = patience.last_start(self.since).min(before.unwrap_or(Nanos::MAX));
        let mut waker = Some(cx.waker().clone());
        let (look, now) = self.shared.locked(|queue, now| (queue.look(self.number, now, last_start, &mut waker), now));
        // Without the lock: the waker from before may be the last that holds its task.
        drop(waker);
        let turn = match look {
            Look::Waits(at) => return Turn::NotBefore(self.shared.instant(at)),
            Look::Passed => Turn::Passed,
            Look::Refused(Refusal::Until(at)) => Turn::Refused(wait(now, at)),
            Look::Refused(Refusal::TooDear) => Turn::Refused(None),
        };
        self.in_queue = false;
        self.report(now);
        turn
    }

    fn report(&self, now: Nanos) {
        report_wait(Duration::from_nanos(now.saturating_sub(self.since)));
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.in_queue {
            let (waker, now) = self.shared.locked(|queue, now| (queue.leave(self.number, now), now));
            drop(waker);
            self.report(now);
        }
    }
}

impl Patience {
    fn last_start(self, now: Nanos) -> Nanos {
        now.saturating_add(nanos(self.max_wait))
    }

    fn is_over(self, now: Nanos, at: Nanos) -> bool {
        at > self.last_start(now) || self.max_queue == 0
    }
}

/// The wait from one moment to another; `None` if it never ends.
fn wait(now: Nanos, at: Nanos) -> Option<Duration> {
    (at < NEVER).then(|| Duration::from_nanos(at.saturating_sub(now)))
}

#[inline]
fn nanos(duration: Duration) -> Nanos {
    duration.as_secs().saturating_mul(1_000_000_000).saturating_add(duration.subsec_nanos().into())
}
