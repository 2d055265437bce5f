use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tower_service::Service;

use super::semaphore::{Permit, Waiting};
use crate::deadline::{Timer, end_of};
use crate::error::{Rejectable, Rejection};
use crate::until_body_end::{Guard, Hold, Sealed};

pin_project! {
    /// The answer of a [`Bulkhead`](super::Bulkhead).
    ///
    /// # Panics
    ///
    /// If it has to queue and there is no tokio runtime with its timer enabled.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it leaves the queue or gives its place back.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct ResponseFuture<S, R>
    where
        S: Service<R>,
    {
        #[pin]
        state: State<S, R>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, R>
    where
        S: Service<R>,
    {
        Queued {
            waiting: Waiting,
            #[pin]
            timer: Timer,
            max_wait: Duration,
            // Both are there until there is a place.
            call: Option<(S, R)>,
        },
        Admitted {
            #[pin]
            inner: S::Future,
            // Dropped after the inner future: the place is free when the work has ended.
            permit: Option<Permit>,
        },
        Rejected {
            rejection: Option<Rejection>,
        },
    }
}

impl<S: Service<R>, R> ResponseFuture<S, R> {
    #[inline]
    pub(super) const fn admitted(inner: S::Future, permit: Permit) -> Self {
        Self { state: State::Admitted { inner, permit: Some(permit) } }
    }

    pub(super) fn queued(waiting: Waiting, max_wait: Duration, service: S, request: R) -> Self {
        let timer = Timer::new(end_of(max_wait));
        Self { state: State::Queued { waiting, timer, max_wait, call: Some((service, request)) } }
    }

    #[cold]
    pub(super) const fn rejected(rejection: Rejection) -> Self {
        Self { state: State::Rejected { rejection: Some(rejection) } }
    }
}

impl<S, R> Future for ResponseFuture<S, R>
where
    S: Service<R>,
    S::Error: Rejectable,
{
    type Output = Result<S::Response, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (result, permit) = ready!(self.poll_hold(cx));
        if let Some(permit) = permit {
            permit.complete();
        }
        Poll::Ready(result)
    }
}

impl<S: Service<R>, R> Sealed for ResponseFuture<S, R> {}

impl<S, R> Hold for ResponseFuture<S, R>
where
    S: Service<R>,
    S::Error: Rejectable,
{
    type Guard = Permit;

    #[inline]
    fn poll_hold(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<(Self::Output, Option<Permit>)> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProj::Admitted { inner, permit } => {
                    let result = ready!(inner.poll(cx));
                    let permit = permit.take();
                    // Admitted -> Rejected: the inner future is gone before its place is free. One that was given
                    // up by a timeout is still at work until it is dropped.
                    state.set(State::Rejected { rejection: None });
                    return Poll::Ready((result, permit));
                }
                StateProj::Queued { waiting, timer, max_wait, call } => {
                    let had_budget = timer.as_ref().has_budget();
                    let Poll::Ready(permit) = waiting.poll_permit(cx) else {
                        ready!(timer.poll_elapsed(cx, had_budget));
                        let (limit, max_wait) = (waiting.limit(), *max_wait);
                        // Queued -> Rejected: no place came free in time.
                        state.set(State::Rejected { rejection: None });
                        return Poll::Ready((Err(Rejection::bulkhead_timeout(limit, max_wait).into()), None));
                    };
                    // Queued -> Admitted: it has a place.
                    let (mut service, request) = call.take().expect("queued until there is a place");
                    State::Admitted { inner: service.call(request), permit: Some(permit) }
                }
                StateProj::Rejected { rejection } => {
                    let rejection = rejection.take().expect("polled after it was ready");
                    return Poll::Ready((Err(rejection.into()), None));
                }
            };
            state.set(next);
        }
    }
}

impl<S: Service<R>, R> fmt::Debug for ResponseFuture<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Queued { .. } => "queued",
            State::Admitted { .. } => "admitted",
            State::Rejected { .. } => "rejected",
        };
        f.debug_struct("ResponseFuture").field("state", &state).finish_non_exhaustive()
    }
}
