use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep_until};
use tower_service::Service;

use super::obey::Observer;
use super::waiting::{Turn, Waiting};
use crate::deadline::deadline_in;
use crate::error::{Rejectable, Rejection};

pin_project! {
    /// The response of a [`RateLimited`](super::RateLimited).
    ///
    /// # Panics
    ///
    /// If it has to queue and there is no tokio runtime with its timer enabled.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it queues, it leaves the queue, and its turn is the next one's at once. What has passed is not given
    /// back.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct ResponseFuture<S, R, O>
    where
        S: Service<R>,
    {
        #[pin]
        state: State<S, R, O>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, R, O>
    where
        S: Service<R>,
    {
        Waiting {
            waiting: Waiting,
            // Boxed, because most requests never wait.
            timer: Option<Pin<Box<Sleep>>>,
            // There until it is called.
            call: Option<(S, R, O)>,
        },
        Called {
            #[pin]
            inner: S::Future,
            observer: O,
        },
        Rejected {
            rejection: Option<Rejection>,
        },
    }
}

impl<S: Service<R>, R, O> ResponseFuture<S, R, O> {
    #[inline]
    pub(super) const fn passed(inner: S::Future, observer: O) -> Self {
        Self { state: State::Called { inner, observer } }
    }

    pub(super) const fn waiting(waiting: Waiting, service: S, request: R, observer: O) -> Self {
        Self { state: State::Waiting { waiting, timer: None, call: Some((service, request, observer)) } }
    }

    #[cold]
    pub(super) const fn rejected(rejection: Rejection) -> Self {
        Self { state: State::Rejected { rejection: Some(rejection) } }
    }
}

impl<S, R, O> Future for ResponseFuture<S, R, O>
where
    S: Service<R>,
    S::Error: Rejectable,
    O: Observer<S::Response, S::Error>,
{
    type Output = Result<S::Response, S::Error>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            if let StateProj::Called { inner, observer } = state.as_mut().project() {
                // The one or the other, so that a response that fits into a register stays in one.
                return match ready!(inner.poll(cx)) {
                    Ok(response) => {
                        observer.observe(Ok(&response));
                        Poll::Ready(Ok(response))
                    }
                    Err(error) => {
                        observer.observe(Err(&error));
                        Poll::Ready(Err(error))
                    }
                };
            }
            if let Err(rejection) = ready!(poll_turn(state.as_mut(), cx)) {
                return Poll::Ready(Err(rejection.into()));
            }
        }
    }
}

/// Waits for the turn of the request, and calls the service.
#[cold]
fn poll_turn<S, R, O>(mut state: Pin<&mut State<S, R, O>>, cx: &mut Context<'_>) -> Poll<Result<(), Rejection>>
where
    S: Service<R>,
{
    loop {
        let (waiting, timer, call) = match state.as_mut().project() {
            StateProj::Waiting { waiting, timer, call } => (waiting, timer, call),
            StateProj::Rejected { rejection } => {
                return Poll::Ready(Err(rejection.take().expect("polled after it was ready")));
            }
            StateProj::Called { .. } => return Poll::Ready(Ok(())),
        };
        match waiting.poll_turn(cx, deadline_in(cx)) {
            Turn::Passed => {
                // Waiting -> Called: its turn has come.
                let (mut service, request, observer) = call.take().expect("it waits until it is called");
                state.set(State::Called { inner: service.call(request), observer });
            }
            // Waiting -> Rejected: its turn would come too late, or never.
            Turn::Refused(retry_after) => {
                state.set(State::Rejected { rejection: Some(Rejection::rate_limited(retry_after)) });
            }
            Turn::NotBefore(None) => return Poll::Pending,
            Turn::NotBefore(Some(at)) => {
                let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
                if timer.deadline() != at {
                    timer.as_mut().reset(at);
                }
                ready!(timer.as_mut().poll(cx));
            }
        }
    }
}

impl<S: Service<R>, R, O> fmt::Debug for ResponseFuture<S, R, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Waiting { .. } => "waiting",
            State::Called { .. } => "called",
            State::Rejected { .. } => "rejected",
        };
        f.debug_struct("ResponseFuture").field("state", &state).finish_non_exhaustive()
    }
}
