use std::fmt;
use std::sync::{Arc, TryLockError};
use std::time::Duration;

use super::quantile::{Lasted, Quantile};
use crate::config::InvalidConfig;
use crate::sync::{AtomicU64, Mutex, Ordering, PoisonError};

/// A delay that is not known, or never ends.
const NEVER: u64 = u64::MAX;
/// More would multiply the load by more than the slowest request is worth.
const MAX_HEDGES: u32 = 3;
/// One in a thousand is the smallest share of the last thousand attempts.
const EXTRA_LOAD: std::ops::RangeInclusive<f64> = 0.001..=0.5;

/// When hedges are sent, and what became of them. Shared by all services of a [`HedgeLayer`](super::HedgeLayer), and cheap
/// to clone: all clones are the same. What is set holds for the requests that begin after it.
#[derive(Clone)]
pub struct Hedging {
    shared: Arc<Shared>,
}

struct Shared {
    /// In nanoseconds.
    delay: AtomicU64,
    /// What a hedge takes at least, in nanoseconds, or [`NEVER`] while nothing is known.
    hedge_takes: AtomicU64,
    max_hedges: AtomicU64,
    /// There are durations only where the delay follows them.
    learned: Mutex<Option<Learned>>,
    /// Whether there are.
    is_learning: AtomicU64,
    sent: AtomicU64,
    won: AtomicU64,
    refused: AtomicU64,
    too_late: AtomicU64,
}

struct Learned {
    extra_load: f64,
    durations: Quantile,
}

/// What became of hedges, in total. See [`Hedging::counts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct HedgeCounts {
    /// Hedges that were sent.
    pub sent: u64,
    /// Those of them whose result was returned.
    pub won: u64,
    /// Hedges that were not sent because the budget refused them.
    pub refused: u64,
    /// Hedges that were not sent because they could not have ended before the deadline.
    pub too_late: u64,
}

/// Why a hedge was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotSent {
    Refused,
    TooLate,
}

impl Hedging {
    pub(super) fn after(delay: Duration) -> Self {
        Self::new(nanos(delay), None)
    }

    pub(super) fn extra_load(ratio: f64) -> Result<Self, InvalidConfig> {
        Ok(Self::new(NEVER, Some(Learned::new(ratio)?)))
    }

    fn new(delay: u64, learned: Option<Learned>) -> Self {
        let shared = Shared {
            delay: AtomicU64::new(delay),
            hedge_takes: AtomicU64::new(NEVER),
            max_hedges: AtomicU64::new(1),
            is_learning: AtomicU64::new(u64::from(learned.is_some())),
            learned: Mutex::new(learned),
            sent: AtomicU64::new(0),
            won: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            too_late: AtomicU64::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// How long an attempt is waited for before a hedge is sent. `None` where none is: before 100 attempts have been seen by
    /// a delay that follows them, or if it is `Duration::MAX`.
    #[must_use]
    pub fn delay(&self) -> Option<Duration> {
        known(self.shared.delay.load(Ordering::Relaxed))
    }

    /// Sends hedges after `delay` from now on, as [`HedgeLayer::after`](super::HedgeLayer::after) does.
    pub fn set_after(&self, delay: Duration) {
        self.set(nanos(delay), None);
    }

    /// Lets the delay follow what is seen from now on, as [`HedgeLayer::extra_load`](super::HedgeLayer::extra_load) does.
    /// No hedge is sent before 100 attempts have been seen.
    ///
    /// # Errors
    ///
    /// If `ratio` is not from 0.001 to 0.5. Then nothing is changed.
    pub fn set_extra_load(&self, ratio: f64) -> Result<(), InvalidConfig> {
        self.set(NEVER, Some(Learned::new(ratio)?));
        Ok(())
    }

    /// How many hedges of a request there may be at most: 1, unless it was set. 0 is off.
    #[must_use]
    pub fn max_hedges(&self) -> u32 {
        u32::try_from(self.shared.max_hedges.load(Ordering::Relaxed)).unwrap_or(MAX_HEDGES)
    }

    /// Sets how many hedges of a request there may be at most; 0 switches hedging off.
    ///
    /// # Errors
    ///
    /// If it is more than 3. Then nothing is changed.
    pub fn set_max_hedges(&self, hedges: u32) -> Result<(), InvalidConfig> {
        if hedges > MAX_HEDGES {
            return Err(InvalidConfig::new("max_hedges", hedges, format!("at most {MAX_HEDGES}")));
        }
        self.shared.max_hedges.store(hedges.into(), Ordering::Relaxed);
        Ok(())
    }

    /// What became of the hedges since the layer was made.
    #[must_use]
    pub fn counts(&self) -> HedgeCounts {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        HedgeCounts {
            sent: count(&self.shared.sent),
            won: count(&self.shared.won),
            refused: count(&self.shared.refused),
            too_late: count(&self.shared.too_late),
        }
    }

    fn set(&self, delay: u64, learned: Option<Learned>) {
        let mut place = self.shared.learned.lock().unwrap_or_else(PoisonError::into_inner);
        self.shared.is_learning.store(learned.is_some().into(), Ordering::Relaxed);
        self.shared.delay.store(delay, Ordering::Relaxed);
        self.shared.hedge_takes.store(NEVER, Ordering::Relaxed);
        *place = learned;
    }

    /// Whether durations are to be recorded.
    #[inline]
    pub(super) fn is_learning(&self) -> bool {
        self.shared.is_learning.load(Ordering::Relaxed) != 0
    }

    /// Records how long a first attempt took. One that ends while another thread records is left out, so that none waits.
    pub(super) fn record(&self, lasted: Lasted) {
        let mut place = match self.shared.learned.try_lock() {
            Ok(place) => place,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        let Some(learned) = &mut *place else { return };
        if learned.durations.record(lasted) {
            if let Some(estimate) = learned.durations.estimate(learned.extra_load) {
                self.shared.delay.store(nanos(estimate.delay), Ordering::Relaxed);
                self.shared.hedge_takes.store(nanos(estimate.median), Ordering::Relaxed);
            }
        }
    }

    /// What a hedge takes at least, as far as that is known.
    pub(super) fn hedge_takes(&self) -> Duration {
        known(self.shared.hedge_takes.load(Ordering::Relaxed)).unwrap_or_default()
    }

    pub(super) fn count_sent(&self) {
        self.shared.sent.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_won(&self, took: Duration) {
        self.shared.won.fetch_add(1, Ordering::Relaxed);
        if !self.is_learning() {
            self.shared.hedge_takes.fetch_min(nanos(took), Ordering::Relaxed);
        }
    }

    pub(super) fn count_not_sent(&self, why: NotSent) {
        let counter = match why {
            NotSent::Refused => &self.shared.refused,
            NotSent::TooLate => &self.shared.too_late,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl Learned {
    fn new(extra_load: f64) -> Result<Self, InvalidConfig> {
        if EXTRA_LOAD.contains(&extra_load) {
            return Ok(Self { extra_load, durations: Quantile::new() });
        }
        let bound = format!("from {} to {}", EXTRA_LOAD.start(), EXTRA_LOAD.end());
        Err(InvalidConfig::new("extra_load", extra_load, bound))
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(NEVER)
}

fn known(nanos: u64) -> Option<Duration> {
    (nanos != NEVER).then(|| Duration::from_nanos(nanos))
}

impl fmt::Debug for Hedging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hedging")
            .field("delay", &self.delay())
            .field("max_hedges", &self.max_hedges())
            .field("counts", &self.counts())
            .finish()
    }
}
