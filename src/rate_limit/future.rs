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

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProj::Called { inner, observer } => {
                    let result = ready!(inner.poll(cx));
                    observer.observe(result.as_ref());
                    return Poll::Ready(result);
                }
                StateProj::Waiting { waiting, timer, call } => match waiting.poll_turn(cx, deadline_in(cx)) {
                    Turn::Passed => {
                        // Waiting -> Called: its turn has come.
                        let (mut service, request, observer) = call.take().expect("it waits until it is called");
                        State::Called { inner: service.call(request), observer }
                    }
                    // Waiting -> Rejected: its turn would come too late, or never.
                    Turn::Refused(retry_after) => {
                        State::Rejected { rejection: Some(Rejection::rate_limited(retry_after)) }
                    }
                    Turn::NotBefore(None) => return Poll::Pending,
                    Turn::NotBefore(Some(at)) => {
                        let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
                        if timer.deadline() != at {
                            timer.as_mut().reset(at);
                        }
                        ready!(timer.as_mut().poll(cx));
                        continue;
                    }
                },
                StateProj::Rejected { rejection } => {
                    let rejection = rejection.take().expect("polled after it was ready");
                    return Poll::Ready(Err(rejection.into()));
                }
            };
            state.set(next);
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
