//! While a [`Timeout`](crate::timeout::Timeout) calls or polls what it wraps, a thread-local says until when.

use std::cell::Cell;
use std::task::{Context, RawWakerVTable, Waker};
use std::time::Duration;

use tokio::time::Instant;

/// What a timer of tokio's rounds its deadline up to: the clock must be able to count that much further.
const TICK: Duration = Duration::from_millis(1);

thread_local! {
    static CURRENT: Cell<Option<Current>> = const { Cell::new(None) };
}

/// What the timeouts around the running code say.
#[derive(Clone, Copy)]
struct Current {
    /// The earliest deadline of all of them.
    all: Instant,
    /// The earliest deadline of those that are polled with `waker`, or called: these belong to the request for certain.
    own: Instant,
    /// `None` within a call.
    waker: Option<WakerId>,
}

/// Tells wakers apart as [`Waker::will_wake`] does, and keeps none.
#[derive(Clone, Copy)]
struct WakerId(*const (), &'static RawWakerVTable);

impl PartialEq for WakerId {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0 && std::ptr::eq(self.1, other.1)
    }
}

impl WakerId {
    #[inline]
    fn of(waker: &Waker) -> Self {
        Self(waker.data(), waker.vtable())
    }
}

/// The moment at which the [timeouts](crate::TimeoutLayer) around the calling code give up; `None` if there are none.
///
/// Use it to tell an upstream how long you will wait, or to stop work nobody waits for any more. It is known to all code
/// that a timeout calls or polls, through any layers in between: in `Service::call`, and in the response future from its
/// first poll on. Code in a task of its own is polled by somebody else and knows nothing of it, as below `tower::buffer`.
///
/// Tasks of a `LocalSet` that is itself polled within a timeout see the deadline of that timeout, whether their work
/// belongs to it or not. Windbreak's own layers tell the two apart by the waker, and do not give up for a deadline that is
/// not their request's.
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
///         let left = windbreak::deadline()
///             .map(|deadline| deadline - tokio::time::Instant::now());
///         Ok::<_, std::io::Error>(left)
///     }));
///
/// assert_eq!(client.oneshot(()).await.unwrap(), Some(Duration::from_secs(3)));
/// assert_eq!(windbreak::deadline(), None);
/// # }
/// ```
#[must_use]
pub fn deadline() -> Option<Instant> {
    CURRENT.get().map(|current| current.all)
}

/// The deadline of the request that is polled with `cx`. A timeout that is polled with another waker may be a stranger's.
pub(crate) fn deadline_in(cx: &Context<'_>) -> Option<Instant> {
    let current = CURRENT.get()?;
    current.is_polled_with(WakerId::of(cx.waker())).then_some(current.own)
}

/// When `limit` from now is over; `None` if no timer can wait for that.
#[inline]
pub(crate) fn end_of(limit: Duration) -> Option<Instant> {
    if limit == Duration::MAX {
        // No limit at all: that need not be asked of the clock.
        return None;
    }
    Instant::now().checked_add(limit).filter(|end| end.checked_add(TICK).is_some())
}

impl Current {
    fn is_polled_with(&self, waker: WakerId) -> bool {
        self.waker.is_none_or(|own| own == waker)
    }
}

/// Makes a deadline known until it is dropped, also by a panic.
#[must_use]
pub(crate) struct Scope {
    outer: Option<Current>,
    /// Its place is the thread.
    _not_send: std::marker::PhantomData<*const ()>,
}

impl Scope {
    /// Around a call.
    #[inline]
    pub(crate) fn of_call(deadline: Option<Instant>) -> Option<Self> {
        deadline.map(|deadline| Self::enter(deadline, None))
    }

    /// Around a poll.
    #[inline]
    pub(crate) fn of_poll(deadline: Option<Instant>, cx: &Context<'_>) -> Option<Self> {
        deadline.map(|deadline| Self::enter(deadline, Some(WakerId::of(cx.waker()))))
    }

    #[inline]
    fn enter(deadline: Instant, waker: Option<WakerId>) -> Self {
        let outer = CURRENT.get();
        let current = match outer {
            None => Current { all: deadline, own: deadline, waker },
            Some(outer) => {
                let is_own = waker.is_none_or(|waker| outer.is_polled_with(waker));
                Current {
                    all: deadline.min(outer.all),
                    own: if is_own { deadline.min(outer.own) } else { deadline },
                    // A call within a poll is that poll's.
                    waker: waker.or(outer.waker),
                }
            }
        };
        CURRENT.set(Some(current));
        Self { outer, _not_send: std::marker::PhantomData }
    }
}

impl Drop for Scope {
    #[inline]
    fn drop(&mut self) {
        CURRENT.set(self.outer);
    }
}
