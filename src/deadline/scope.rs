//! While a [`Timeout`](crate::timeout::Timeout) calls or polls what it wraps, a thread-local says until when.

use std::cell::Cell;
use std::task::{Context, RawWakerVTable, Waker};
use std::time::Duration;

use tokio::time::Instant;

/// What a timer of tokio's rounds its deadline up to: the clock must be able to count that much further.
const TICK: Duration = Duration::from_millis(1);

/// 30,000 years: a clock that counts seconds in 63 bits is not at its end then.
const COUNTABLE: Duration = Duration::from_secs(1 << 40);

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
pub(super) struct WakerId(*const (), &'static RawWakerVTable);

impl PartialEq for WakerId {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0 && std::ptr::eq(self.1, other.1)
    }
}

impl WakerId {
    #[inline]
    pub(super) fn of(waker: &Waker) -> Self {
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

/// When `limit` from now is over; `None` if no timer can wait for that.
#[inline]
pub(crate) fn end_of(limit: Duration) -> Option<Instant> {
    if limit > COUNTABLE { end_of_age(limit) } else { Instant::now().checked_add(limit) }
}

#[cold]
fn end_of_age(limit: Duration) -> Option<Instant> {
    // No limit at all: that need not be asked of the clock.
    if limit == Duration::MAX { None } else { end_after(Instant::now(), limit) }
}

/// When `limit` from `start` is over; `None` if no timer can wait for that.
#[inline]
pub(crate) fn end_after(start: Instant, limit: Duration) -> Option<Instant> {
    start.checked_add(limit).filter(|end| limit <= COUNTABLE || end.checked_add(TICK).is_some())
}

impl Current {
    #[inline]
    fn is_polled_with(&self, waker: WakerId) -> bool {
        self.waker.get().is_none_or(|own| own == waker)
    }

    #[inline]
    fn enter(&self, deadline: Instant, waker: Option<WakerId>) -> Scope {
        let outer = match self.all.get() {
            None => {
                self.all.set(Some(deadline));
                self.own.set(None);
                self.waker.set(waker);
                None
            }
            Some(outer) => Some(self.nest(outer, deadline, waker)),
        };
        Scope { outer, _not_send: std::marker::PhantomData }
    }

    /// Enters a scope within that of another timeout. Apart, so that a scope at the top is inlined.
    #[inline(never)]
    fn nest(&self, outer: Instant, deadline: Instant, waker: Option<WakerId>) -> Outer {
        self.all.set(Some(deadline.min(outer)));
        // The same request, in a call or a poll of the same task: that is all.
        let is_alike = self.own.get().is_none() && (waker.is_none() || self.waker.get() == waker);
        let rest = if is_alike { None } else { Some(self.nest_apart(outer, deadline, waker)) };
        Outer { all: outer, rest }
    }

    /// The rest, where the timeout around it may be a stranger's.
    #[cold]
    fn nest_apart(&self, outer: Instant, deadline: Instant, waker: Option<WakerId>) -> Rest {
        let rest = Rest { own: self.own.get(), waker: self.waker.get() };
        let is_own = waker.is_none_or(|waker| self.is_polled_with(waker));
        self.own.set(Some(if is_own { deadline.min(rest.own.unwrap_or(outer)) } else { deadline }));
        // A call within a poll is that poll's.
        self.waker.set(waker.or(rest.waker));
        rest
    }
}

/// What is current again when a nested scope ends.
struct Outer {
    all: Instant,
    rest: Option<Rest>,
}

/// The rest of it, where it was changed.
struct Rest {
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
        deadline.map(|deadline| CURRENT.with(|current| current.enter(deadline, None)))
    }

    /// Around a poll.
    #[inline]
    pub(crate) fn of_poll(deadline: Option<Instant>, cx: &Context<'_>) -> Option<Self> {
        deadline.map(|deadline| CURRENT.with(|current| current.enter(deadline, Some(WakerId::of(cx.waker())))))
    }
}

impl Drop for Scope {
    #[inline]
    fn drop(&mut self) {
        CURRENT.with(|current| {
            let Some(outer) = &self.outer else { return current.all.set(None) };
            current.all.set(Some(outer.all));
            if let Some(rest) = &outer.rest {
                current.own.set(rest.own);
                current.waker.set(rest.waker);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::Wake;

    use super::*;

    struct Task;

    impl Wake for Task {
        fn wake(self: Arc<Self>) {}
    }

    fn waker() -> Waker {
        Arc::new(Task).into()
    }

    fn in_seconds(seconds: u64) -> Instant {
        Instant::now() + Duration::from_secs(seconds)
    }

    #[test]
    fn a_scope_within_one_of_the_same_task_brings_the_deadline_forward_and_never_back() {
        let waker = waker();
        let cx = Context::from_waker(&waker);
        let [sooner, soon, late] = [5, 10, 60].map(in_seconds);
        let _outer = Scope::of_poll(Some(soon), &cx);
        for (inner, known) in [(late, soon), (sooner, sooner)] {
            for is_call in [false, true] {
                let _inner = if is_call { Scope::of_call(Some(inner)) } else { Scope::of_poll(Some(inner), &cx) };
                assert_eq!((deadline(), deadline_in(&cx)), (Some(known), Some(known)));
            }
            assert_eq!((deadline(), deadline_in(&cx)), (Some(soon), Some(soon)));
        }
    }

    #[test]
    fn a_scope_within_a_strangers_has_a_deadline_of_its_own_and_gives_the_strangers_back() {
        let [own, stranger] = [waker(), waker()];
        let [own, stranger] = [&own, &stranger].map(Context::from_waker);
        let [soon, late] = [in_seconds(10), in_seconds(60)];
        let outer = Scope::of_poll(Some(soon), &stranger);
        assert_eq!((deadline(), deadline_in(&own)), (Some(soon), None));
        {
            let _inner = Scope::of_poll(Some(late), &own);
            assert_eq!((deadline(), deadline_in(&own), deadline_in(&stranger)), (Some(soon), Some(late), None));
            let _within = Scope::of_call(Some(in_seconds(70)));
            assert_eq!(deadline_in(&own), Some(late));
        }
        assert_eq!((deadline(), deadline_in(&own), deadline_in(&stranger)), (Some(soon), None, Some(soon)));
        drop(outer);
        assert_eq!((deadline(), deadline_in(&stranger)), (None, None));
        // What was left of the scope before says nothing of the next one.
        let _next = Scope::of_call(Some(late));
        assert_eq!((deadline_in(&own), deadline_in(&stranger)), (Some(late), Some(late)));
    }
}
