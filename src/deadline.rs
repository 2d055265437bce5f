//! One deadline for all that happens within a request.
//!
//! While a [`Timeout`](crate::timeout::Timeout) polls what it wraps, a thread-local says until when. A limit becomes a
//! moment only when somebody asks for it: a request that is answered at once never reads the clock.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::Instant;

/// What a timer of tokio's rounds its deadline up to: the clock must be able to count that much further.
const TICK: Duration = Duration::from_millis(1);

thread_local! {
    static SCOPE: Cell<Scope> = const { Cell::new(Scope::NONE) };
}

/// The timeouts around the code that runs now.
#[derive(Debug, Clone, Copy)]
struct Scope {
    /// The earliest deadline of those whose clock runs.
    deadline: Option<Instant>,
    /// The shortest limit of those that are polled for the first time.
    limit: Option<Duration>,
    /// The clock, if it was read during this poll of the outermost timeout.
    now: Option<Instant>,
    depth: usize,
}

impl Scope {
    const NONE: Self = Self { deadline: None, limit: None, now: None, depth: 0 };
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
    let scope = SCOPE.get();
    let limit = scope.limit.and_then(end_of);
    match (scope.deadline, limit) {
        (Some(deadline), Some(limit)) => Some(deadline.min(limit)),
        (deadline, limit) => deadline.or(limit),
    }
}

/// When `limit` from now is over; `None` if no timer can wait for that.
pub(crate) fn end_of(limit: Duration) -> Option<Instant> {
    now().checked_add(limit).filter(|end| end.checked_add(TICK).is_some())
}

/// The clock: read once for all timeouts that are polled within one another.
pub(crate) fn now() -> Instant {
    let scope = SCOPE.get();
    scope.now.unwrap_or_else(|| {
        let now = Instant::now();
        if scope.depth > 0 {
            SCOPE.set(Scope { now: Some(now), ..scope });
        }
        now
    })
}

/// Within a timeout whose clock has not started.
#[inline]
pub(crate) fn within_limit(limit: Duration) -> Entered {
    enter(|scope| scope.limit = Some(scope.limit.map_or(limit, |outer| outer.min(limit))))
}

/// Within a timeout that ends then.
#[inline]
pub(crate) fn within_deadline(deadline: Instant) -> Entered {
    enter(|scope| scope.deadline = Some(scope.deadline.map_or(deadline, |outer| outer.min(deadline))))
}

#[inline]
fn enter(narrow: impl FnOnce(&mut Scope)) -> Entered {
    let outer = SCOPE.get();
    let mut scope = Scope { depth: outer.depth + 1, ..outer };
    narrow(&mut scope);
    SCOPE.set(scope);
    Entered { outer }
}

/// Ends with the poll, also if that panics.
pub(crate) struct Entered {
    outer: Scope,
}

impl Drop for Entered {
    #[inline]
    fn drop(&mut self) {
        // What was read of the clock holds for the poll around this one.
        let now = if self.outer.depth > 0 { SCOPE.get().now } else { None };
        SCOPE.set(Scope { now, ..self.outer });
    }
}
