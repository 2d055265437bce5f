//! While a [`Timeout`](crate::timeout::Timeout) calls or polls what it wraps, a thread-local says until when.

use std::cell::Cell;
use std::task::{Context, RawWakerVTable, Waker};
use std::time::Duration;

use tokio::time::Instant;

thread_local! {
    static CURRENT: Current = const { Current { all: Cell::new(None), own: Cell::new(None), waker: Cell::new(None) } };
}

/// What the timeouts around the running code say. Each part is a cell of its own: written and read alike, it need not pass
/// through memory as a whole.
struct Current {
    /// The earliest deadline of all of them. `None` outside of any.
    all: Cell<Option<Instant>>,
    /// The earliest deadline of those that are polled with `waker`, or called: these belong to the request for certain.
    /// `None` if it is that of all.
    own: Cell<Option<Instant>>,
    /// `None` within a call.
    waker: Cell<Option<WakerId>>,
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
    CURRENT.with(|current| current.all.get())
}

/// The deadline of the request that is polled with `cx`. A timeout that is polled with another waker may be a stranger's.
pub(crate) fn deadline_in(cx: &Context<'_>) -> Option<Instant> {
    CURRENT.with(|current| {
        let all = current.all.get()?;
        current.is_polled_with(WakerId::of(cx.waker())).then(|| current.own.get().unwrap_or(all))
    })
}

/// When `limit` from now is over; `None` if the clock cannot count so far.
#[inline]
pub(crate) fn end_of(limit: Duration) -> Option<Instant> {
    if limit == Duration::MAX {
        // No limit at all: that need not be asked of the clock.
        return None;
    }
    Instant::now().checked_add(limit)
}

impl Current {
    fn is_polled_with(&self, waker: WakerId) -> bool {
        self.waker.get().is_none_or(|own| own == waker)
    }

    #[inline]
    fn set(&self, all: Option<Instant>, own: Option<Instant>, waker: Option<WakerId>) {
        self.all.set(all);
        self.own.set(own);
        self.waker.set(waker);
    }

    /// Enters a scope within that of another timeout.
    #[inline(never)]
    fn nest(&self, outer: Instant, deadline: Instant, waker: Option<WakerId>) -> Outer {
        let before = Outer { all: outer, own: self.own.get(), waker: self.waker.get() };
        let is_own = waker.is_none_or(|waker| self.is_polled_with(waker));
        let own = if is_own { deadline.min(before.own.unwrap_or(outer)) } else { deadline };
        // A call within a poll is that poll's.
        self.set(Some(deadline.min(outer)), Some(own), waker.or(before.waker));
        before
    }
}

/// What is current again when a nested scope ends.
struct Outer {
    all: Instant,
    own: Option<Instant>,
    waker: Option<WakerId>,
}

/// Makes a deadline known until it is dropped, also by a panic.
#[must_use]
pub(crate) struct Scope {
    outer: Option<Outer>,
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
        let outer = CURRENT.with(|current| match current.all.get() {
            None => {
                current.set(Some(deadline), None, waker);
                None
            }
            Some(outer) => Some(current.nest(outer, deadline, waker)),
        });
        Self { outer, _not_send: std::marker::PhantomData }
    }
}

impl Drop for Scope {
    #[inline]
    fn drop(&mut self) {
        CURRENT.with(|current| match &self.outer {
            None => current.all.set(None),
            Some(outer) => current.set(Some(outer.all), outer.own, outer.waker),
        });
    }
}
