use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tower_service::Service;

use super::handler::Handler;
use super::shared::Shared;
use crate::deadline::{forget_refusing, is_repeating};
use crate::instance::Pointer;
use crate::rules::{Classify, Verdict};

pin_project! {
    /// The response of a [`Fallback`](super::Fallback).
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it drops the inner future or that of the substitute.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct ResponseFuture<S, Request, R, H>
    where
        S: Service<Request>,
        H: Handler<R, Request, S::Response, S::Error>,
    {
        #[pin]
        state: State<S::Future, H::Kept, H::Future>,
        shared: Pointer<Arc<Shared<R, H>>>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, K, A> {
        Inner { #[pin] inner: F, kept: Option<K> },
        Substitute { #[pin] substitute: A },
    }
}

impl<S, Request, R, H> ResponseFuture<S, Request, R, H>
where
    S: Service<Request>,
    H: Handler<R, Request, S::Response, S::Error>,
{
    #[inline]
    pub(super) const fn new(inner: S::Future, kept: H::Kept, shared: Pointer<Arc<Shared<R, H>>>) -> Self {
        Self { state: State::Inner { inner, kept: Some(kept) }, shared }
    }
}

impl<S, Request, R, H> Future for ResponseFuture<S, Request, R, H>
where
    S: Service<Request>,
    R: Classify<S::Response, S::Error>,
    H: Handler<R, Request, S::Response, S::Error>,
{
    type Output = Result<S::Response, S::Error>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let substitute = match this.state.as_mut().project() {
                StateProj::Inner { inner, kept } => {
                    // The one or the other, and not the result as a whole, so that what is only read need not lie in
                    // memory.
                    let (result, verdict) = match ready!(inner.poll(cx)) {
                        Ok(response) => {
                            let verdict = this.shared.rules.classify(Ok(&response));
                            if is_good_enough(verdict) {
                                return Poll::Ready(Ok(response));
                            }
                            (Ok(response), verdict)
                        }
                        Err(error) => {
                            let verdict = this.shared.rules.classify(Err(&error));
                            if is_good_enough(verdict) {
                                return Poll::Ready(Err(error));
                            }
                            (Err(error), verdict)
                        }
                    };
                    let handler = &this.shared.handler;
                    match kept.take() {
                        // Inner -> Substitute: the result is not good enough.
                        Some(kept) if handler.replaces(&kept, result.as_ref(), verdict, is_repeating(cx)) => {
                            handler.handle(kept, result)
                        }
                        _ => return Poll::Ready(result),
                    }
                }
                StateProj::Substitute { substitute } => {
                    let result = ready!(substitute.poll(cx));
                    // A circuit that has opened keeps a further attempt from one of the two services only.
                    forget_refusing();
                    match result {
                        Ok(response) => return Poll::Ready(Ok(response)),
                        Err(error) => return Poll::Ready(Err(error)),
                    }
                }
            };
            this.state.set(State::Substitute { substitute });
        }
    }
}

/// Whether there need be no substitute.
const fn is_good_enough(verdict: Verdict) -> bool {
    match verdict {
        Verdict::Success | Verdict::Declined | Verdict::InProgress { .. } => true,
        Verdict::Failure(_) | Verdict::Throttled { .. } | Verdict::Ignored => false,
    }
}

impl<S, Request, R, H> fmt::Debug for ResponseFuture<S, Request, R, H>
where
    S: Service<Request>,
    H: Handler<R, Request, S::Response, S::Error>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Inner { .. } => "inner",
            State::Substitute { .. } => "substitute",
        };
        f.debug_struct("ResponseFuture").field("state", &state).finish_non_exhaustive()
    }
}
