use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};
use tower_service::Service;
use tracing::Span;

use super::policy::Progress;
use super::service::Shared;
use super::span::attempt_span;
use crate::attempts::Attempts;
use crate::deadline::deadline_in;
use crate::error::Rejectable;
use crate::rules::{Classify, Discard, Discarding, Replay, Verdict};

pin_project! {
    /// The response of a [`Retry`](super::Retry): that of the last attempt.
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
    pub struct ResponseFuture<S, Request, R>
    where
        S: Service<Request>,
    {
        #[pin]
        state: State<S::Future>,
        span: Span,
        // There is one once a further attempt is to be made.
        service: Option<S>,
        // What a further attempt sends; `None` if there can be none.
        copy: Option<Request>,
        shared: Arc<Shared<S, R>>,
        progress: Progress,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        Attempt { #[pin] attempt: F },
        Pause {
            // Discards the response that will be retried, while the time passes.
            #[pin]
            discarding: Option<Discarding>,
            #[pin]
            sleep: Sleep,
        },
        // Waits for the service to be ready for the next attempt.
        Readiness,
    }
}

impl<S, Request, R> ResponseFuture<S, Request, R>
where
    S: Service<Request>,
{
    #[inline]
    pub(super) const fn new(
        attempt: S::Future,
        span: Span,
        copy: Option<Request>,
        shared: Arc<Shared<S, R>>,
        progress: Progress,
    ) -> Self {
        Self { state: State::Attempt { attempt }, span, service: None, copy, shared, progress }
    }
}

impl<S, Request, R> Future for ResponseFuture<S, Request, R>
where
    S: Service<Request> + Clone,
    S::Error: Rejectable,
    R: Classify<S::Response, S::Error> + Replay<Request> + Discard<S::Response>,
{
    type Output = Result<S::Response, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let rules = this.shared.rules();
        loop {
            let next = match this.state.as_mut().project() {
                StateProj::Attempt { attempt } => {
                    let result = ready!(this.span.in_scope(|| attempt.poll(cx)));
                    let verdict = rules.classify(result.as_ref());
                    if matches!(verdict, Verdict::Success) && this.progress.attempts.is_none() {
                        return Poll::Ready(result);
                    }
                    match again(this.shared, verdict, result.as_ref(), this.copy.as_ref(), this.progress, cx) {
                        Some(pause) => {
                            // Attempt -> Pause: there is to be another attempt. A response that need not be read is
                            // gone before the pause begins.
                            let discarding = result.ok().and_then(|response| rules.discard(response));
                            State::Pause { discarding, sleep: sleep(pause) }
                        }
                        None => return Poll::Ready(finish(rules, result, this.progress)),
                    }
                }
                StateProj::Pause { mut discarding, sleep } => {
                    if let Some(unread) = discarding.as_mut().as_pin_mut() {
                        ready!(unread.poll(cx));
                        discarding.set(None);
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
                    let may_try_again = this.shared.policy().may_try_again(this.progress);
                    *this.copy = may_try_again.then(|| rules.copy(&request)).flatten();
                    let resends = this.progress.count() - 1;
                    rules.number(&mut request, resends);
                    *this.span = attempt_span(resends);
                    State::Attempt { attempt: this.span.in_scope(|| service.call(request)) }
                }
            };
            this.state.set(next);
        }
    }
}

/// How long to pause before another attempt; `None` if there is to be none.
#[cold]
fn again<S, Request, R, T, E>(
    shared: &Shared<S, R>,
    verdict: Verdict,
    result: Result<&T, &E>,
    copy: Option<&Request>,
    progress: &mut Progress,
    cx: &Context<'_>,
) -> Option<Duration>
where
    R: Classify<T, E> + Replay<Request>,
{
    let rules = shared.rules();
    let request = copy?;
    let pause = shared.policy().pause(verdict, progress, || rules.idempotency(request), deadline_in(cx))?;
    let attempts = progress.attempts.get_or_insert_with(|| Box::new(Attempts::first()));
    attempts.add(rules.error_type(result), pause);
    Some(pause)
}

/// Notes in the result what it took, if it took more than one attempt.
fn finish<T, E, R>(rules: &R, mut result: Result<T, E>, progress: &mut Progress) -> Result<T, E>
where
    E: Rejectable,
    R: Discard<T>,
{
    let Some(attempts) = progress.attempts.take() else { return result };
    if let Ok(response) = &mut result {
        rules.mark(response, &attempts);
    }
    result.map_err(|error| error.with_attempts(*attempts))
}

impl<S, Request, R> fmt::Debug for ResponseFuture<S, Request, R>
where
    S: Service<Request>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("progress", &self.progress).finish_non_exhaustive()
    }
}
