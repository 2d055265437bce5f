//! One deadline for all that happens within a request.
//!
//! While a [`Timeout`](crate::timeout::Timeout) polls what it wraps, a thread-local says until when. A limit becomes a
//! moment only when somebody asks for it: a request that is answered at once never reads the clock.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::Instant;

/// What a timer of tokio's rounds its deadline up to: the clock must be able to count that much further.
const TICK: Duration = Duration::from_millis(1);

// What the timeouts around the running code say. Apart, so that a poll touches only what it changes: on the healthy path
// that is `LIMIT`.
thread_local! {
    /// The earliest deadline of those whose clock runs.
    static DEADLINE: Cell<Option<Instant>> = const { Cell::new(None) };
    /// The shortest limit of those that are polled for the first time.
    static LIMIT: Cell<Option<Duration>> = const { Cell::new(None) };
    /// The clock, if it was read during this poll of the outermost timeout.
    static NOW: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// The moment at which the [timeouts](crate::TimeoutLayer) around the calling code give up; `None` if there are none.
///
/// Use it to tell a callee how long you will wait, or to stop work nobody waits for any more. It is known to all code
/// that the timeout's future polls, through any layers in between. What is spawned as a task of its own, or handed to
/// one as `tower::buffer` does, is polled by somebody else and knows nothing of it.
///
/// ```
/// use std::time::Duration;
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
/// use windbreak::{Error, TimeoutLayer};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let client = ServiceBuilder::new()
///     .layer(TimeoutLayer::new(Duration::from_secs(5)))
///     .map_err(Error::Service)
///     .service(service_fn(|_: ()| async {
///         tokio::time::sleep(Duration::from_secs(2)).await;
///         let left = windbreak::deadline().map(|deadline| deadline - tokio::time::Instant::now());
///         Ok::<_, std::io::Error>(left)
///     }));
///
/// assert_eq!(client.oneshot(()).await.unwrap(), Some(Duration::from_secs(3)));
/// assert_eq!(windbreak::deadline(), None);
/// # }
/// ```
#[must_use]
pub fn deadline() -> Option<Instant> {
    let limit = LIMIT.get().and_then(end_of);
    match (DEADLINE.get(), limit) {
        (Some(deadline), Some(limit)) => Some(deadline.min(limit)),
        (deadline, limit) => deadline.or(limit),
    }
}

/// Whether a timeout that starts now, and ends at `end` after `limit`, comes before all those around the calling code, or
/// together with the first of them.
pub(crate) fn is_first(limit: Duration, end: Instant) -> bool {
    LIMIT.get().is_none_or(|outer| limit <= outer) && DEADLINE.get().is_none_or(|outer| end <= outer)
}

/// When `limit` from now is over; `None` if no timer can wait for that.
pub(crate) fn end_of(limit: Duration) -> Option<Instant> {
    now().checked_add(limit).filter(|end| end.checked_add(TICK).is_some())
}

/// The clock: read once for all timeouts that are polled within one another.
pub(crate) fn now() -> Instant {
    NOW.get().unwrap_or_else(|| {
        let now = Instant::now();
        if LIMIT.get().is_some() || DEADLINE.get().is_some() {
            NOW.set(Some(now));
        }
        now
    })
}

/// Ends with the poll, also if that panics.
#[must_use]
pub(crate) enum Entered {
    /// Within a timeout whose clock has not started. Holds the limit around it.
    Limit(Option<Duration>),
    /// Within a timeout that ends at a known moment. Holds the deadline around it.
    Deadline(Option<Instant>),
}

impl Entered {
    #[inline]
    pub(crate) fn limit(limit: Duration) -> Self {
        let outer = LIMIT.get();
        LIMIT.set(Some(outer.map_or(limit, |outer| outer.min(limit))));
        Self::Limit(outer)
    }

    #[inline]
    pub(crate) fn deadline(deadline: Instant) -> Self {
        let outer = DEADLINE.get();
        DEADLINE.set(Some(outer.map_or(deadline, |outer| outer.min(deadline))));
        Self::Deadline(outer)
    }
}

impl Drop for Entered {
    #[inline]
    fn drop(&mut self) {
        match *self {
            Self::Limit(outer) => LIMIT.set(outer),
            Self::Deadline(outer) => DEADLINE.set(outer),
        }
        // What was read of the clock holds for the poll of the outermost timeout, and no longer.
        if LIMIT.get().is_none() && DEADLINE.get().is_none() {
            NOW.set(None);
        }
    }
}
