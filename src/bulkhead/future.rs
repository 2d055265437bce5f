use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tower_service::Service;

use super::queued::Queued;
use super::semaphore::Permit;
use crate::error::{Rejectable, Rejection};
use crate::until_body_end::{Hold, Sealed};

pin_project! {
    /// The response of a [`Bulkhead`](super::Bulkhead) or a [`QueueingBulkhead`](super::QueueingBulkhead).
    ///
    /// # Panics
    ///
    /// If it has to queue, its wait is bounded, and there is no tokio runtime with its timer enabled.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it leaves the queue or gives its permit back.
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
    #[project_replace = StateReplace]
    enum State<S, R>
    where
        S: Service<R>,
    {
        Admitted {
            #[pin]
            inner: S::Future,
            // Dropped after the inner future: the permit is free when the work has ended. One that was given up by a timeout
            // is still at work until it is dropped.
            permit: Permit,
        },
        // Boxed, so that requests that need not queue carry none of it.
        Queued {
            queued: Pin<Box<Queued<S, R>>>,
        },
        Full {
            limit: usize,
        },
        // Of the inner service, when it was asked whether it is ready. Boxed, because it is rare.
        Failed {
            error: Option<Box<S::Error>>,
        },
        Done,
    }
}

impl<S: Service<R>, R> ResponseFuture<S, R> {
    #[inline(always)]
    pub(super) const fn admitted(inner: S::Future, permit: Permit) -> Self {
        Self { state: State::Admitted { inner, permit } }
    }

    pub(super) fn queued(queued: Queued<S, R>) -> Self {
        Self { state: State::Queued { queued: Box::pin(queued) } }
    }

    pub(super) const fn full(limit: usize) -> Self {
        Self { state: State::Full { limit } }
    }

    #[cold]
    pub(super) fn failed(error: S::Error) -> Self {
        Self { state: State::Failed { error: Some(Box::new(error)) } }
    }
}

impl<S, R> Future for ResponseFuture<S, R>
where
    S: Service<R>,
    S::Error: Rejectable,
{
    type Output = Result<S::Response, S::Error>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            if let StateProj::Admitted { inner, .. } = state.as_mut().project() {
                // The one or the other, so that a response that fits into a register stays in one.
                return match ready!(inner.poll(cx)) {
                    Ok(response) => {
                        drop(leave(state));
                        Poll::Ready(Ok(response))
                    }
                    Err(error) => {
                        drop(leave(state));
                        Poll::Ready(Err(error))
                    }
                };
            }
            ready!(poll_admission(state.as_mut(), cx))?;
        }
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
            if let StateProj::Admitted { inner, .. } = state.as_mut().project() {
                let result = ready!(inner.poll(cx));
                return Poll::Ready((result, leave(state)));
            }
            if let Err(error) = ready!(poll_admission(state.as_mut(), cx)) {
                return Poll::Ready((Err(error), None));
            }
        }
    }
}

/// Admitted -> Done: drops the inner future, and then hands over the permit, which is free once the work has ended.
#[inline(always)]
fn leave<S: Service<R>, R>(state: Pin<&mut State<S, R>>) -> Option<Permit> {
    match state.project_replace(State::Done) {
        StateReplace::Admitted { permit, .. } => Some(permit),
        _ => None,
    }
}

/// Waits until the request is admitted; an error if it is not.
#[cold]
fn poll_admission<S, R>(mut state: Pin<&mut State<S, R>>, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>>
where
    S: Service<R>,
    S::Error: Rejectable,
{
    let error = match state.as_mut().project() {
        StateProj::Queued { queued } => match ready!(queued.as_mut().poll_call(cx)) {
            Ok((inner, permit)) => {
                // Queued -> Admitted: it has its permit, and the service was ready.
                state.set(State::Admitted { inner, permit });
                return Poll::Ready(Ok(()));
            }
            Err(error) => error,
        },
        StateProj::Full { limit } => Rejection::bulkhead_full(*limit).into(),
        StateProj::Failed { error } => *error.take().expect("told once"),
        StateProj::Admitted { .. } => return Poll::Ready(Ok(())),
        StateProj::Done => panic!("polled after it was ready"),
    };
    // Queued, Full or Failed -> Done: it is told once, and holds nothing any longer.
    state.set(State::Done);
    Poll::Ready(Err(error))
}

impl<S: Service<R>, R> fmt::Debug for ResponseFuture<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Admitted { .. } => "admitted",
            State::Queued { .. } => "queued",
            State::Full { .. } | State::Failed { .. } => "rejected",
            State::Done => "done",
        };
        f.debug_struct("ResponseFuture").field("state", &state).finish_non_exhaustive()
    }
}
