use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tower_service::Service;

use super::handler::Handler;
use super::shared::Shared;
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
        shared: Arc<Shared<R, H>>,
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
    pub(super) const fn new(inner: S::Future, kept: H::Kept, shared: Arc<Shared<R, H>>) -> Self {
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

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let substitute = match this.state.as_mut().project() {
                StateProj::Inner { inner, kept } => {
                    let result = ready!(inner.poll(cx));
                    let verdict = this.shared.rules.classify(result.as_ref());
                    match verdict {
                        Verdict::Success | Verdict::Declined | Verdict::InProgress { .. } => {
                            return Poll::Ready(result);
                        }
                        Verdict::Failure(_) | Verdict::Throttled { .. } | Verdict::Ignored => {}
                    }
                    let handler = &this.shared.handler;
                    match kept.take() {
                        // Inner -> Substitute: the result is not good enough.
                        Some(kept) if handler.replaces(&kept, result.as_ref(), verdict) => handler.handle(kept, result),
                        _ => return Poll::Ready(result),
                    }
                }
                StateProj::Substitute { substitute } => return substitute.poll(cx),
            };
            this.state.set(State::Substitute { substitute });
        }
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
