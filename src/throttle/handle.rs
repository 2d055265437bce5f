use std::fmt;
use std::sync::Arc;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::Instant;

use super::core::{Core, Ending};
use crate::error::Rejection;
use crate::rules::Verdict;
use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering, PoisonError};
use crate::window::Tally;

/// What is known of one upstream, shared by all services of a [`ThrottleLayer`](super::ThrottleLayer). Cheap to clone; all
/// clones are the same throttle.
#[derive(Clone)]
pub struct Throttle {
    shared: Arc<Shared>,
}

struct Shared {
    name: Arc<str>,
    /// The bits of the ratio after the last request that ended: while it is zero, a request is admitted by one load.
    reject_ratio: AtomicU64,
    state: Mutex<State>,
}

struct State {
    core: Core,
    rng: SmallRng,
}

impl Throttle {
    pub(super) fn new(name: Arc<str>, core: Core, rng: SmallRng) -> Self {
        let state = Mutex::new(State { core, rng });
        Self { shared: Arc::new(Shared { name, reject_ratio: AtomicU64::new(0.0_f64.to_bits()), state }) }
    }

    /// Another throttle by the same numbers that has counted nothing, with a name of its own. Its seed is drawn from this
    /// one's.
    ///
    /// One for each host:
    ///
    /// ```
    /// use tower::{ServiceBuilder, ServiceExt, service_fn};
    /// use windbreak::rules::ErrorsOnly;
    /// use windbreak::throttle::{Throttle, ThrottleLayer};
    /// use windbreak::{Error, PerKeyLayer};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), windbreak::InvalidConfig> {
    /// let any_shard = Throttle::builder("any shard").minimum_calls(1).build()?;
    /// let per_shard = PerKeyLayer::new(
    ///     1024,
    ///     |shard: &u8| *shard,
    ///     move |shard| {
    ///         ThrottleLayer::new(any_shard.sibling(format!("shard {shard}")), ErrorsOnly)
    ///     },
    /// )?;
    /// let client = ServiceBuilder::new()
    ///     .layer(per_shard.clone())
    ///     .map_err(Error::Service)
    ///     .service(service_fn(|shard: u8| async move {
    ///         if shard == 1 { Err("overloaded") } else { Ok(shard) }
    ///     }));
    ///
    /// assert!(client.clone().oneshot(1).await.is_err());
    /// assert_eq!(client.oneshot(2).await, Ok(2));
    /// let reject_ratio =
    ///     |shard| per_shard.get(&shard).map(|entry| entry.layer().throttle().reject_ratio());
    /// assert_eq!((reject_ratio(1), reject_ratio(2)), (Some(0.5), Some(0.0)));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn sibling(&self, name: impl Into<Arc<str>>) -> Self {
        let (core, rng) = self.locked(|state| (state.core.blank(), state.rng.fork()));
        Self::new(name.into(), core, rng)
    }

    /// The name it was built with.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// The probability with which a request is rejected now.
    #[must_use]
    pub fn reject_ratio(&self) -> f64 {
        self.locked(|state| state.core.reject_ratio(Instant::now()))
    }

    /// The requests of the window. Those that were not accepted, by the upstream or by the throttle, are its failures.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.locked(|state| state.core.tally(Instant::now()))
    }

    /// Forgets all requests, as if newly built.
    pub fn reset(&self) {
        self.locked(|state| state.core.clear());
        self.shared.reject_ratio.store(0.0_f64.to_bits(), Ordering::Relaxed);
    }

    /// Admits a request, or rejects it by chance.
    #[inline]
    pub(super) fn admit(&self) -> Result<(), Rejection> {
        if self.shared.reject_ratio.load(Ordering::Relaxed) == 0 { Ok(()) } else { self.draw() }
    }

    #[cold]
    fn draw(&self) -> Result<(), Rejection> {
        let now = Instant::now();
        let rejected = self.locked(|state| {
            let rejected = state.rng.random::<f64>() < state.core.reject_ratio(now);
            if rejected {
                self.store(state.core.record(Ending::Rejected, now));
            }
            rejected
        });
        if rejected { Err(Rejection::throttled(Arc::clone(&self.shared.name))) } else { Ok(()) }
    }

    /// Counts a request that has ended.
    pub(super) fn record(&self, verdict: Verdict) {
        let ending = match verdict {
            Verdict::Success | Verdict::Declined | Verdict::InProgress { .. } => Ending::Accepted,
            Verdict::Failure(_) | Verdict::Throttled { .. } => Ending::Rejected,
            Verdict::Ignored => return,
        };
        self.locked(|state| self.store(state.core.record(ending, Instant::now())));
    }

    /// Under the lock, so that the latest ratio stays.
    fn store(&self, ratio: f64) {
        self.shared.reject_ratio.store(ratio.to_bits(), Ordering::Relaxed);
    }

    fn locked<T>(&self, run: impl FnOnce(&mut State) -> T) -> T {
        let mut state: MutexGuard<'_, State> = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        run(&mut state)
    }
}

impl fmt::Debug for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Throttle").field("name", &self.shared.name).finish_non_exhaustive()
    }
}
