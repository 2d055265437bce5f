use std::fmt;
use std::sync::Arc;

use tokio::time::Instant;

use super::ledger::{Ledger, bucket_at};
use crate::config::{InvalidConfig, check_ratio};
use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering, PoisonError};

/// How many requests of a service may pass before the budget is told of them: one lock and one look at the clock cost
/// about as much as 30 requests.
const TELL_EVERY: u64 = 32;

/// Bounds what retries add to the load. Cheap to clone; all clones are the same budget.
///
/// Whenever a retry is paid for, all retries of the ten seconds that end there, with it, are at most `ratio` times the
/// requests of the same ten seconds, plus `floor`. So *any* ten seconds, wherever they begin, hold at most `floor`
/// retries, plus `ratio` times the requests in them and in the ten seconds before. That bounds the load also if every
/// retry succeeds. The floor lets a program with little traffic retry at all.
///
/// A request counts once its first attempt has ended, and only if the upstream was asked: what our own open circuit
/// rejected is no load, and neither is what was cancelled. A retry counts from the moment it is paid for, also if it is
/// cancelled before it is sent.
///
/// The default is a ratio of 0.2 and a floor of 10. A policy has a budget of its own unless it is given one; give the
/// same one to policies that call the same upstream, and take hedges and retries of your own from it with
/// [`try_withdraw`](Self::try_withdraw).
///
/// A request costs an atomic addition; only each 32nd of a service takes the lock and reads the clock. Until
/// then requests count as old as they can be, and those of other services not at all, so the bound holds. A budget may
/// be more careful than it need be: by half a second at either end of the ten, and by up to 63 requests of each service
/// that shares it.
///
/// ```
/// use windbreak::retry::RetryBudget;
///
/// let budget = RetryBudget::new(0.1, 2)?;
/// assert_eq!(budget.remaining(), 2);
/// assert!(budget.try_withdraw() && budget.try_withdraw());
/// assert!(!budget.try_withdraw());
/// assert_eq!((budget.remaining(), budget.refused()), (0, 1));
/// # Ok::<(), windbreak::InvalidConfig>(())
/// ```
#[derive(Clone)]
pub struct RetryBudget {
    limits: Option<Arc<Limits>>,
}

struct Limits {
    ratio: f64,
    floor: u32,
    /// When the first bucket began.
    origin: Instant,
    ledger: Mutex<Ledger>,
}

/// The requests of one service, on their way into the budget. Apart from it, so that services that share a budget do not
/// all write to one place.
#[derive(Default)]
pub(crate) struct Intake {
    requests: AtomicU64,
    /// How many of them the budget was told of. Written under the lock of the budget.
    told: AtomicU64,
    /// The bucket in which it was told last: no other request came before it.
    told_in: AtomicU64,
}

impl RetryBudget {
    /// Retries may be at most `ratio` times the requests of the last ten seconds, plus `floor`.
    ///
    /// # Errors
    ///
    /// If `ratio` is not above 0 and at most 1.
    pub fn new(ratio: f64, floor: u32) -> Result<Self, InvalidConfig> {
        check_ratio("budget ratio", ratio)?;
        Ok(Self::with(ratio, floor))
    }

    fn with(ratio: f64, floor: u32) -> Self {
        let limits = Limits { ratio, floor, origin: Instant::now(), ledger: Mutex::new(Ledger::new()) };
        Self { limits: Some(Arc::new(limits)) }
    }

    /// No bound. An upstream that is down then gets `max_attempts` times its load.
    #[must_use]
    pub const fn unlimited() -> Self {
        Self { limits: None }
    }

    /// Another budget of the same ratio and floor.
    #[must_use]
    pub fn sibling(&self) -> Self {
        match &self.limits {
            Some(limits) => Self::with(limits.ratio, limits.floor),
            None => Self::unlimited(),
        }
    }

    /// Whether it paid for a retry that it still remembers.
    pub(crate) fn is_drawn_on(&self) -> bool {
        self.limits.as_ref().is_some_and(|limits| limits.look().is_drawn_on())
    }

    /// Pays for a retry of your own, if the budget can: `false` is a refusal, and counted in [`refused`](Self::refused).
    #[must_use = "a retry that the budget refuses must not be made"]
    pub fn try_withdraw(&self) -> bool {
        self.limits.as_ref().is_none_or(|limits| limits.look().withdraw(limits.ratio, limits.floor))
    }

    /// How many retries could be paid for now. `u64::MAX` without a bound.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.limits.as_ref().map_or(u64::MAX, |limits| limits.look().remaining(limits.ratio, limits.floor))
    }

    /// How many retries were refused since the budget was made.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.limits.as_ref().map_or(0, |limits| limits.look().refused())
    }

    /// For a service that is about to make requests.
    pub(crate) fn intake(&self) -> Intake {
        let intake = Intake::default();
        if let Some(limits) = &self.limits {
            intake.told_in.store(limits.bucket(), Ordering::Relaxed);
        }
        intake
    }

    /// Counts a request: not a retry of it.
    #[inline]
    pub(crate) fn deposit(&self, intake: &Intake) {
        if let Some(limits) = &self.limits {
            let requests = intake.requests.fetch_add(1, Ordering::Relaxed) + 1;
            if requests % TELL_EVERY == 0 {
                drop(limits.hear(intake));
            }
        }
    }

    /// Pays for a retry, if it can.
    pub(crate) fn withdraw(&self, intake: &Intake) -> bool {
        self.limits.as_ref().is_none_or(|limits| limits.hear(intake).withdraw(limits.ratio, limits.floor))
    }

    /// The service is gone.
    pub(crate) fn close(&self, intake: &Intake) {
        if let Some(limits) = &self.limits {
            if intake.requests.load(Ordering::Relaxed) % TELL_EVERY != 0 {
                drop(limits.hear(intake));
            }
        }
    }
}

impl Limits {
    fn bucket(&self) -> u64 {
        bucket_at(Instant::now().saturating_duration_since(self.origin))
    }

    fn look(&self) -> MutexGuard<'_, Ledger> {
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        ledger.advance(self.bucket());
        ledger
    }

    /// Enters the requests since the last time, as if they had all come right then: they cannot be older.
    #[inline(never)]
    fn hear(&self, intake: &Intake) -> MutexGuard<'_, Ledger> {
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let current = ledger.advance(self.bucket());
        let seen = intake.requests.load(Ordering::Relaxed);
        let told = intake.told.load(Ordering::Relaxed);
        ledger.add_requests(intake.told_in.load(Ordering::Relaxed), seen.saturating_sub(told));
        // What was read may be older than what another thread has told already.
        intake.told.store(seen.max(told), Ordering::Relaxed);
        intake.told_in.store(current, Ordering::Relaxed);
        ledger
    }
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self::with(0.2, 10)
    }
}

impl fmt::Debug for RetryBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.limits {
            Some(limits) => {
                f.debug_struct("RetryBudget").field("ratio", &limits.ratio).field("floor", &limits.floor).finish()
            }
            None => f.write_str("RetryBudget(unlimited)"),
        }
    }
}

#[cfg(test)]
mod tests;
