use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use tower_service::Service;

use super::Permit;
use super::places::Waiting;
use crate::error::{Rejectable, Rejection};
use crate::extent::Extent;
use crate::timer::Timer;

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
    pub struct ResponseFuture<S, R, U>
    where
        S: Service<R>,
    {
        #[pin]
        state: State<S, R>,
        extent: PhantomData<fn() -> U>,
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

impl<S: Service<R>, R, U> ResponseFuture<S, R, U> {
    #[inline]
    pub(super) const fn admitted(inner: S::Future, permit: Permit) -> Self {
        Self { state: State::Admitted { inner, permit: Some(permit) }, extent: PhantomData }
    }

    pub(super) const fn queued(waiting: Waiting, max_wait: Duration, service: S, request: R) -> Self {
        let timer = Timer::new(max_wait);
        Self { state: State::Queued { waiting, timer, max_wait, call: Some((service, request)) }, extent: PhantomData }
    }

    #[cold]
    pub(super) const fn rejected(rejection: Rejection) -> Self {
        Self { state: State::Rejected { rejection: Some(rejection) }, extent: PhantomData }
    }
}

impl<S, R, U> Future for ResponseFuture<S, R, U>
where
    S: Service<R>,
    S::Error: Rejectable,
    U: Extent<S::Response, Permit>,
{
    type Output = Result<U::Response, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProj::Admitted { inner, permit } => {
                    let result = std::task::ready!(inner.poll(cx));
                    let mut permit = permit.take();
                    // Admitted -> Rejected: the inner future is gone before its place is free. One that was given
                    // up by a timeout is still at work until it is dropped.
                    state.set(State::Rejected { rejection: None });
                    return Poll::Ready(result.map(|response| U::settle(response, &mut permit)));
                }
                StateProj::Queued { waiting, timer, max_wait, call } => {
                    let had_budget = timer.as_ref().has_budget();
                    let Poll::Ready(permit) = waiting.poll_permit(cx) else {
                        std::task::ready!(timer.poll_elapsed(cx, had_budget));
                        let (limit, max_wait) = (waiting.limit(), *max_wait);
                        // Queued -> Rejected: no place came free in time.
                        state.set(State::Rejected { rejection: None });
                        return Poll::Ready(Err(Rejection::BulkheadTimeout { limit, max_wait }.into()));
                    };
                    // Queued -> Admitted: it has a place.
                    let (mut service, request) = call.take().expect("queued until there is a place");
                    State::Admitted { inner: service.call(request), permit: Some(permit) }
                }
                StateProj::Rejected { rejection } => {
                    let rejection = rejection.take().expect("polled after it was ready");
                    return Poll::Ready(Err(rejection.into()));
                }
            };
            state.set(next);
        }
    }
}

impl<S: Service<R>, R, U> fmt::Debug for ResponseFuture<S, R, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Queued { .. } => "queued",
            State::Admitted { .. } => "admitted",
            State::Rejected { .. } => "rejected",
        };
        f.debug_struct("ResponseFuture").field("state", &state).finish_non_exhaustive()
    }
}
