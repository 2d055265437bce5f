use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};
use tower_service::Service;
use tracing::Span;
use tracing::field::Empty;

use super::Dispose;
use super::policy::Progress;
use super::service::Shared;
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
    pub struct ResponseFuture<S, R, C, P, D>
    where
        S: Service<R>,
        D: Dispose<S::Response>,
    {
        #[pin]
        state: State<S::Future, D::Future>,
        span: Span,
        // There is one once a further attempt is to be made.
        service: Option<S>,
        // What a further attempt sends; `None` if there can be none.
        copy: Option<R>,
        shared: Arc<Shared<S, C, P, D>>,
        progress: Progress,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, D> {
        Attempt { #[pin] attempt: F },
        Pause {
            // Does away with the answer that was refused, while the time passes.
            #[pin]
            disposal: Option<D>,
            #[pin]
            sleep: Sleep,
        },
        // Waits for the service to be ready for the next attempt.
        Readiness,
    }
}

impl<S, R, C, P, D> ResponseFuture<S, R, C, P, D>
where
    S: Service<R>,
    D: Dispose<S::Response>,
{
    #[inline]
    pub(super) const fn new(
        attempt: S::Future,
        span: Span,
        copy: Option<R>,
        shared: Arc<Shared<S, C, P, D>>,
        progress: Progress,
    ) -> Self {
        Self { state: State::Attempt { attempt }, span, service: None, copy, shared, progress }
    }
}

impl<S, R, C, P, D> Future for ResponseFuture<S, R, C, P, D>
where
    S: Service<R> + Clone,
    S::Error: Rejectable,
    C: Classify<S::Response, S::Error>,
    P: Replay<R>,
    D: Dispose<S::Response>,
{
    type Output = Result<S::Response, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let policy = &this.shared.policy;
        loop {
            let next = match this.state.as_mut().project() {
                StateProj::Attempt { attempt } => {
                    let mut result = ready!(this.span.in_scope(|| attempt.poll(cx)));
                    let copy = this.copy.as_ref();
                    let Some(pause) = policy.judge(result.as_ref(), copy, this.progress, this.span) else {
                        policy.mark(&mut result, this.progress);
                        return Poll::Ready(result);
                    };
                    // Attempt -> Pause: there is to be another attempt. The answer that was refused, if nothing else
                    // is done with it, is gone before the pause begins.
                    let disposal = result.ok().map(|answer| policy.dispose().dispose(answer));
                    State::Pause { disposal, sleep: sleep(pause) }
                }
                StateProj::Pause { mut disposal, sleep } => {
                    if let Some(disposing) = disposal.as_mut().as_pin_mut() {
                        ready!(disposing.poll(cx));
                        disposal.set(None);
                    }
                    ready!(sleep.poll(cx));
                    // Pause -> Readiness: the pause is over.
                    State::Readiness
                }
                StateProj::Readiness => {
                    let service = this.service.get_or_insert_with(|| this.shared.service());
                    ready!(service.poll_ready(cx))?;
                    // Readiness -> Attempt: send the copy, and keep one of it if there may be yet another.
                    let mut request = this.copy.take().expect("there is a copy as long as there are attempts");
                    *this.copy = policy.copy_for_later(this.progress, &request);
                    let resends = this.progress.attempts - 1;
                    policy.replay().number(&mut request, resends);
                    *this.span = attempt_span(resends);
                    State::Attempt { attempt: this.span.in_scope(|| service.call(request)) }
                }
            };
            this.state.set(next);
        }
    }
}

/// The span of one attempt. Free where nobody listens.
#[inline]
pub(super) fn attempt_span(resends: u32) -> Span {
    tracing::info_span!("attempt", http.request.resend_count = resends, error.type = Empty)
}

impl<S, R, C, P, D> fmt::Debug for ResponseFuture<S, R, C, P, D>
where
    S: Service<R>,
    D: Dispose<S::Response>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("progress", &self.progress).finish_non_exhaustive()
    }
}
