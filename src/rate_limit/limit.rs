use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::gcra::{Gcra, Refusal};
use super::queue::{Arrival, Queue};
use super::rate::Rate;
use super::shared::{Patience, Shared, nanos, wait};
use super::waiting::Waiting;
use crate::error::Rejection;

/// The state of a rate limit. Cheap to clone; all clones are the same limit.
///
/// From [`RateLimitLayer::limit`](super::RateLimitLayer::limit): to look at it, to change it while it runs, and to limit
/// code that is not a service.
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

/// What becomes of a request that comes.
pub(super) enum Admission {
    Passed,
    Waits(Waiting),
    Refused(Option<Duration>),
}

impl RateLimit {
    /// A limit of which nothing is used.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Self::with(Gcra::new(rate))
    }

    fn with(gcra: Gcra) -> Self {
        Self { shared: Arc::new(Shared::new(gcra)) }
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
    /// shorter one changes nothing. A pause of 73 years or more never ends.
    pub fn pause_for(&self, pause: Duration) {
        self.shared.locked(|queue, now| queue.pause(now.saturating_add(nanos(pause))));
    }

    /// Whether a new limit would treat the next request the same way, and has the same rate.
    pub(crate) fn is_as_new(&self) -> bool {
        self.shared.is_as_new()
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
            Some(Err((Refusal::Until(at), now))) if patience.is_over(now, at) => {
                Admission::Refused(Some(wait(now, at)))
            }
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
            Arrival::Waits(number) => {
                Admission::Waits(Waiting::new(Arc::clone(&self.shared), number, now, patience.max_wait))
            }
            Arrival::Refused(Refusal::Until(at)) => Admission::Refused(Some(wait(now, at))),
            Arrival::Refused(Refusal::TooDear) => Admission::Refused(None),
        }
    }
}

impl fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gcra = self.shared.lock().gcra;
        f.debug_struct("RateLimit")
            .field("interval", &Duration::from_nanos(gcra.interval))
            .field("burst", &gcra.burst())
            .field("available", &self.available())
            .finish_non_exhaustive()
    }
}
