use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::config::{InvalidConfig, check_ratio};
use crate::sync::{AtomicU64, Mutex, Ordering, PoisonError};
use crate::window::{Tally, TimeWindow};

/// How far a budget looks back: long enough that a second of failures can be retried in full out of the quiet
/// seconds before it, short enough that an hour of quiet does not pay for a storm.
const SPAN: Duration = Duration::from_secs(10);
const BUCKETS: usize = 10;

/// How many requests may pass before the clock is read for them.
const SYNC_EVERY: u64 = 64;

/// Bounds what retries add to the load. Cheap to clone; all clones are the same budget.
///
/// A retry is allowed if with it all retries of the last ten seconds are at most `ratio` times the requests, plus
/// `floor`. That bounds the load also if every retry succeeds. The floor lets a program with little traffic retry at
/// all. The ten seconds move on in steps of one: whatever began within the oldest second is forgotten with it.
///
/// The default is a ratio of 0.2 and a floor of 10. A policy has a budget of its own unless it is given one; give the
/// same one to policies that call the same service.
///
/// A request costs an atomic addition; only each 64th reads the clock. In between, requests are taken to be as old
/// as they can be, so the bound holds and a budget may be up to 64 requests more careful than it need be.
#[derive(Clone)]
pub struct RetryBudget {
    limits: Option<Arc<Limits>>,
}

struct Limits {
    ratio: f64,
    floor: u32,
    requests: AtomicU64,
    ledger: Mutex<Ledger>,
}

/// What is known of the last ten seconds: requests as `calls`, retries as `failures`.
struct Ledger {
    window: TimeWindow,
    /// How many requests have been entered.
    entered: u64,
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
        let mut window = TimeWindow::new(SPAN, BUCKETS);
        // Puts its first edge before the first request.
        window.tally(Instant::now());
        let ledger = Mutex::new(Ledger { window, entered: 0 });
        let limits = Limits { ratio, floor, requests: AtomicU64::new(0), ledger };
        Self { limits: Some(Arc::new(limits)) }
    }

    /// No bound. A service that is down then gets `max_attempts` times its load.
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
        let drawn_on = |limits: &Arc<Limits>| {
            let mut ledger = limits.ledger.lock().unwrap_or_else(PoisonError::into_inner);
            ledger.window.tally(Instant::now()).failures > 0
        };
        self.limits.as_ref().is_some_and(drawn_on)
    }

    /// Counts a request: not a retry of it.
    #[inline]
    pub(super) fn deposit(&self) {
        if let Some(limits) = &self.limits {
            let requests = limits.requests.fetch_add(1, Ordering::Relaxed) + 1;
            if requests % SYNC_EVERY == 0 {
                limits.sync();
            }
        }
    }

    /// Pays for a retry, if it can.
    pub(super) fn withdraw(&self) -> bool {
        self.limits.as_ref().is_none_or(|limits| limits.withdraw())
    }
}

impl Limits {
    #[cold]
    fn sync(&self) {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner).enter(&self.requests, Instant::now());
    }

    fn withdraw(&self) -> bool {
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let load = ledger.enter(&self.requests, now);
        #[allow(clippy::cast_precision_loss, reason = "far fewer than 2^53 requests in ten seconds")]
        let (requests, retries) = (load.calls as f64, load.failures as f64);
        let allowed = retries + 1.0 <= self.ratio * requests + f64::from(self.floor);
        if allowed {
            ledger.window.add(Tally { failures: 1, ..Tally::default() });
        }
        allowed
    }
}

impl Ledger {
    /// Enters the requests since the last time, as if they had all come right then: they cannot be older.
    fn enter(&mut self, requests: &AtomicU64, now: Instant) -> Tally {
        let seen = requests.load(Ordering::Relaxed);
        self.window.add(Tally { calls: seen - self.entered, ..Tally::default() });
        self.entered = seen;
        self.window.tally(now)
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
