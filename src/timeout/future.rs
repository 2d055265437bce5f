use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;

use super::BodyTimer;
use crate::error::{Rejectable, Rejection};
use crate::extent::Extent;
use crate::timer::Timer;

pin_project! {
    /// The answer of a [`Timeout`](super::Timeout).
    ///
    /// # Panics
    ///
    /// If the inner future is not ready at once and there is no tokio runtime with its timer enabled.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it drops the inner future and its timer.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct ResponseFuture<F, U> {
        #[pin]
        inner: F,
        limit: Duration,
        #[pin]
        timer: Timer,
        extent: PhantomData<fn() -> U>,
    }
}

impl<F, U> ResponseFuture<F, U> {
    #[inline]
    pub(super) const fn new(inner: F, limit: Duration) -> Self {
        Self { inner, limit, timer: Timer::new(limit), extent: PhantomData }
    }
}

impl<F, U, T, E> Future for ResponseFuture<F, U>
where
    F: Future<Output = Result<T, E>>,
    E: Rejectable,
    U: Extent<T, BodyTimer>,
{
    type Output = Result<U::Response, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let had_budget = this.timer.as_ref().has_budget();
        let _entered = this.timer.as_ref().enter();
        // The answer first: one that is ready at the deadline is delivered.
        if let Poll::Ready(result) = this.inner.poll(cx) {
            return Poll::Ready(result.map(|response| {
                let timer = BodyTimer::new(*this.limit, this.timer.as_ref().deadline());
                U::settle(response, &mut Some(timer))
            }));
        }
        ready!(this.timer.as_mut().poll_elapsed(cx, had_budget));
        Poll::Ready(Err(Rejection::Timeout { limit: *this.limit }.into()))
    }
}
