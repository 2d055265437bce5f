use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};
use tower_service::Service;

use super::RetryPolicy;
use super::policy::Progress;
use crate::classify::{Classify, Replay};
use crate::error::Rejectable;

pin_project! {
    /// The answer of a [`Retry`](super::Retry): that of the last attempt.
    ///
    /// # Panics
    ///
    /// If there is to be a pause and there is no tokio runtime with its timer enabled.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it drops the attempt that is under way. Attempts that have failed may have taken
    /// effect.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct ResponseFuture<S, R, C, P>
    where
        S: Service<R>,
    {
        #[pin]
        state: State<S::Future>,
        service: S,
        // What a further attempt sends; `None` if there can be none.
        copy: Option<R>,
        policy: RetryPolicy<C, P>,
        progress: Progress,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        Attempt { #[pin] attempt: F },
        Pause { #[pin] sleep: Sleep },
        // Waits for the service to be ready for the next attempt.
        Readiness,
    }
}

impl<S: Service<R>, R, C, P> ResponseFuture<S, R, C, P> {
    #[inline]
    pub(super) const fn new(
        attempt: S::Future,
        service: S,
        copy: Option<R>,
        policy: RetryPolicy<C, P>,
        progress: Progress,
    ) -> Self {
        Self { state: State::Attempt { attempt }, service, copy, policy, progress }
    }
}

impl<S, R, C, P> Future for ResponseFuture<S, R, C, P>
where
    S: Service<R>,
    S::Error: Rejectable,
    C: Classify<S::Response, S::Error>,
    P: Replay<R>,
{
    type Output = Result<S::Response, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProj::Attempt { attempt } => {
                    let result = ready!(attempt.poll(cx));
                    let Some(request) = this.copy.as_ref() else { return Poll::Ready(result) };
                    let verdict = this.policy.classifier().classify(result.as_ref());
                    let pause = this.policy.pause(verdict, this.progress, |replay| replay.is_idempotent(request));
                    let Some(pause) = pause else { return Poll::Ready(result) };
                    // Attempt -> Pause: the answer that was refused is gone before the pause begins.
                    drop(result);
                    State::Pause { sleep: sleep(pause) }
                }
                StateProj::Pause { sleep } => {
                    ready!(sleep.poll(cx));
                    // Pause -> Readiness: the pause is over.
                    State::Readiness
                }
                StateProj::Readiness => {
                    ready!(this.service.poll_ready(cx))?;
                    // Readiness -> Attempt: send the copy, and keep one of it if there may be yet another.
                    let request = this.copy.take().expect("there is a copy as long as there are attempts");
                    *this.copy = this.policy.copy_for_later(this.progress, &request);
                    State::Attempt { attempt: this.service.call(request) }
                }
            };
            this.state.set(next);
        }
    }
}

impl<S: Service<R>, R, C, P> fmt::Debug for ResponseFuture<S, R, C, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("progress", &self.progress).finish_non_exhaustive()
    }
}
