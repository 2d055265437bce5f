use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::settle::settle;
use super::shared::Shared;
use crate::boxed::Boxed;
use crate::error::{Rejectable, effect_of_rejection};
use crate::instance::Pointer;
use crate::rules::{Classify, Effect, Failure, Replay, Verdict};

pin_project! {
    /// The response of a [`Verify`](super::Verify).
    ///
    /// # Panics
    ///
    /// If a question is to be asked and there is no tokio runtime with its timer enabled.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it drops the inner future, or the question, and repeats nothing. Dropped after the
    /// request has failed with an unknown effect, it hands the request to
    /// [`on_unsettled`](super::VerifyLayer::on_unsettled).
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct ResponseFuture<F, R, Request, T, E> {
        #[pin]
        state: State<F, Request, T, E>,
        shared: Pointer<Arc<Shared<R, Request, T>>>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, Request, T, E> {
        Inner {
            #[pin]
            inner: F,
            // Whether the request is one to ask about.
            asks: bool,
            copy: Option<Request>,
        },
        Settle { settling: Boxed<Result<T, E>> },
    }
}

impl<F, R, Request, T, E> ResponseFuture<F, R, Request, T, E> {
    #[inline]
    pub(super) const fn new(
        inner: F,
        asks: bool,
        copy: Option<Request>,
        shared: Pointer<Arc<Shared<R, Request, T>>>,
    ) -> Self {
        Self { state: State::Inner { inner, asks, copy }, shared }
    }
}

impl<F, R, Request, T, E> Future for ResponseFuture<F, R, Request, T, E>
where
    F: Future<Output = Result<T, E>>,
    R: Classify<T, E> + Replay<Request> + Send + Sync + 'static,
    Request: Send + 'static,
    T: Send + 'static,
    E: Rejectable + Send + 'static,
{
    type Output = Result<T, E>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let settling = match this.state.as_mut().project() {
                StateProj::Inner { inner, asks, copy } => {
                    // The one or the other, so that a response that fits into a register stays in one.
                    let (result, verdict) = match ready!(inner.poll(cx)) {
                        Ok(response) => {
                            if !*asks {
                                return Poll::Ready(Ok(response));
                            }
                            let verdict = this.shared.rules.classify(Ok(&response));
                            if !is_unknown(verdict) {
                                return Poll::Ready(Ok(response));
                            }
                            (Ok(response), verdict)
                        }
                        Err(error) => {
                            let verdict = this.shared.rules.classify(Err(&error));
                            if !*asks || !is_unknown(verdict) && !may_have_acted(verdict, &error) {
                                return Poll::Ready(Err(error));
                            }
                            (Err(error), verdict)
                        }
                    };
                    // Inner -> Settle: it failed, and may have taken effect.
                    settle(Arc::clone(&***this.shared), copy.take(), result, verdict)
                }
                StateProj::Settle { settling } => match ready!(Pin::new(settling).poll(cx)) {
                    Ok(response) => return Poll::Ready(Ok(response)),
                    Err(error) => return Poll::Ready(Err(error)),
                },
            };
            this.state.set(State::Settle { settling });
        }
    }
}

/// Whether the request may have taken effect, and nobody said that it did.
const fn is_unknown(verdict: Verdict) -> bool {
    match verdict {
        Verdict::Failure(Failure { effect, .. }) | Verdict::Throttled { effect, .. } => {
            matches!(effect, Effect::Unknown)
        }
        // At work on an earlier attempt of the same request: what will become of it, nobody knows.
        Verdict::InProgress { .. } => true,
        Verdict::Success | Verdict::Declined | Verdict::Ignored => false,
    }
}

/// Whether the rejection that the rules ignore may be that of a service which acted, and then failed on a call of its own.
fn may_have_acted<E: Rejectable>(verdict: Verdict, error: &E) -> bool {
    verdict == Verdict::Ignored && effect_of_rejection(error) == Some(Effect::Unknown)
}

impl<F, R, Request, T, E> fmt::Debug for ResponseFuture<F, R, Request, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Inner { .. } => "inner",
            State::Settle { .. } => "settle",
        };
        f.debug_struct("ResponseFuture").field("state", &state).finish_non_exhaustive()
    }
}
