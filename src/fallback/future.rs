use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tower_service::Service;

use super::{FallbackLayer, Handler, When};
use crate::classify::{Classify, Verdict};

pin_project! {
    /// The answer of a [`Fallback`](super::Fallback).
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it drops the inner future or the one that answers instead.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct ResponseFuture<S, R, H, C, W>
    where
        S: Service<R>,
        H: Handler<R, S::Response, S::Error>,
    {
        #[pin]
        state: State<S::Future, H::Kept, H::Future>,
        layer: Arc<FallbackLayer<H, C, W>>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, K, A> {
        Inner { #[pin] inner: F, kept: Option<K> },
        Instead { #[pin] answer: A },
    }
}

impl<S, R, H, C, W> ResponseFuture<S, R, H, C, W>
where
    S: Service<R>,
    H: Handler<R, S::Response, S::Error>,
{
    #[inline]
    pub(super) const fn new(inner: S::Future, kept: H::Kept, layer: Arc<FallbackLayer<H, C, W>>) -> Self {
        Self { state: State::Inner { inner, kept: Some(kept) }, layer }
    }
}

impl<S, R, H, C, W> Future for ResponseFuture<S, R, H, C, W>
where
    S: Service<R>,
    H: Handler<R, S::Response, S::Error>,
    C: Classify<S::Response, S::Error>,
    W: When<S::Response, S::Error>,
{
    type Output = Result<S::Response, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let answer = match this.state.as_mut().project() {
                StateProj::Inner { inner, kept } => {
                    let result = ready!(inner.poll(cx));
                    let good_enough = match this.layer.classifier.classify(result.as_ref()) {
                        Verdict::Success | Verdict::Refused | Verdict::InProgress { .. } => true,
                        Verdict::Failure(_) | Verdict::Ignored => !this.layer.when.applies(result.as_ref()),
                    };
                    match kept.take() {
                        // Inner -> Instead: the answer is not good enough.
                        Some(kept) if !good_enough => this.layer.handler.handle(kept, result),
                        _ => return Poll::Ready(result),
                    }
                }
                StateProj::Instead { answer } => return answer.poll(cx),
            };
            this.state.set(State::Instead { answer });
        }
    }
}

impl<S, R, H, C, W> fmt::Debug for ResponseFuture<S, R, H, C, W>
where
    S: Service<R>,
    H: Handler<R, S::Response, S::Error>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Inner { .. } => "inner",
            State::Instead { .. } => "instead",
        };
        f.debug_struct("ResponseFuture").field("state", &state).finish_non_exhaustive()
    }
}
