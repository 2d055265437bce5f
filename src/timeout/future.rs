use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;

use crate::error::{Rejectable, Rejection};
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
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        limit: Duration,
        #[pin]
        timer: Timer,
    }
}

impl<F> ResponseFuture<F> {
    #[inline]
    pub(super) const fn new(inner: F, limit: Duration) -> Self {
        Self { inner, limit, timer: Timer::new(limit) }
    }
}

impl<F, T, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: Rejectable,
{
    type Output = Result<T, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let _entered = this.timer.as_ref().enter();
        // The answer first: one that is ready at the deadline is delivered.
        if let Poll::Ready(result) = this.inner.poll(cx) {
            return Poll::Ready(result);
        }
        ready!(this.timer.poll_elapsed(cx));
        Poll::Ready(Err(Rejection::Timeout { limit: *this.limit }.into()))
    }
}
