use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::shared::Shared;
use crate::error::{Rejectable, Rejection};
use crate::rules::Classify;

pin_project! {
    /// The response of a [`Throttled`](super::Throttled).
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it drops the inner future, and the request counts for nothing. A request whose inner
    /// future panics counts for nothing either.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct ResponseFuture<F, R> {
        #[pin]
        state: State<F, R>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = StateProj]
    enum State<F, R> {
        Admitted { shared: Arc<Shared<R>>, #[pin] inner: F },
        Rejected { rejection: Option<Rejection> },
    }
}

impl<F, R> ResponseFuture<F, R> {
    #[inline]
    pub(super) const fn admitted(shared: Arc<Shared<R>>, inner: F) -> Self {
        Self { state: State::Admitted { shared, inner } }
    }

    #[cold]
    pub(super) const fn rejected(rejection: Rejection) -> Self {
        Self { state: State::Rejected { rejection: Some(rejection) } }
    }
}

impl<F, R, T, E> Future for ResponseFuture<F, R>
where
    F: Future<Output = Result<T, E>>,
    E: Rejectable,
    R: Classify<T, E>,
{
    type Output = Result<T, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Admitted { shared, inner } => {
                // The one or the other, so that a response that fits into a register stays in one.
                match ready!(inner.poll(cx)) {
                    Ok(response) => {
                        shared.throttle.record(shared.rules.classify(Ok(&response)));
                        Poll::Ready(Ok(response))
                    }
                    Err(error) => {
                        shared.throttle.record(shared.rules.classify(Err(&error)));
                        Poll::Ready(Err(error))
                    }
                }
            }
            StateProj::Rejected { rejection } => {
                Poll::Ready(Err(rejection.take().expect("polled after it was ready").into()))
            }
        }
    }
}
