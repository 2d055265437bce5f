use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::Instant;

use super::body_timer::BodyTimer;
use super::place::Place;
use crate::deadline::{Scope, Timer, armed_until, forget_armed, note_armed};
use crate::error::{Rejectable, Rejection};
use crate::until_body_end::{Hold, Sealed};

pin_project! {
    /// The response of a [`Timeout`](super::Timeout).
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
        place: Place,
        #[pin]
        timer: Timer,
    }
}

impl<F> ResponseFuture<F> {
    #[inline]
    pub(super) const fn new(inner: F, limit: Duration, deadline: Option<Instant>, place: Place) -> Self {
        Self { inner, limit, place, timer: Timer::new(deadline) }
    }
}

impl<F, T, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: Rejectable,
{
    type Output = Result<T, E>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if *this.place == Place::AroundAttempts {
            forget_armed();
        }
        let had_budget = this.timer.as_ref().has_budget();
        let scope = Scope::of_poll(this.timer.as_ref().deadline(), cx);
        // The response first: one that is ready at the deadline is delivered.
        if let Poll::Ready(result) = this.inner.poll(cx) {
            return Poll::Ready(result);
        }
        drop(scope);
        match this.place {
            Place::AroundAttempts if is_armed_by(this.timer.as_ref().deadline()) => return Poll::Pending,
            Place::AroundAttempts | Place::Alone => ready!(this.timer.as_mut().poll_elapsed(cx, had_budget)),
            Place::OneAttempt => {
                let deadline = this.timer.as_ref().deadline();
                let elapsed = this.timer.as_mut().poll_elapsed(cx, had_budget);
                if elapsed.is_pending() {
                    note_armed(deadline);
                }
                ready!(elapsed);
            }
        }
        Poll::Ready(Err(Rejection::timeout(*this.limit).into()))
    }
}

/// Whether the timeout of the attempt wakes the task by this deadline.
#[inline]
fn is_armed_by(deadline: Option<Instant>) -> bool {
    deadline.zip(armed_until()).is_some_and(|(deadline, armed)| armed <= deadline)
}

impl<F> Sealed for ResponseFuture<F> {}

impl<F, T, E> Hold for ResponseFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: Rejectable,
{
    type Guard = BodyTimer;

    fn poll_hold(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<(Self::Output, Option<BodyTimer>)> {
        let result = ready!(self.as_mut().poll(cx));
        let this = self.project();
        let timer = BodyTimer::new(*this.limit, this.timer.as_ref().deadline());
        Poll::Ready((result, Some(timer)))
    }
}

#[cfg(test)]
mod tests;
