use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tokio::time::Instant;

use super::judge::effect;
use super::keep::{Parcel, keep};
use super::letter::DeadLetter;
use super::shared::Shared;
use super::sink::Sink;
use crate::boxed::Boxed;
use crate::error::{Rejectable, effect_of_rejection};
use crate::instance::Pointer;
use crate::rules::{Classify, Effect, Verdict};

pin_project! {
    /// The response of a [`DeadLetters`](super::DeadLetters): that of the inner service, whatever it is.
    ///
    /// # Panics
    ///
    /// If a letter is to be kept, the sink is not ready at once, and there is no tokio runtime with its timer enabled.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it drops the inner future: whoever drops a request knows of it, and no letter is
    /// written. Dropped while the sink has the letter, the letter counts as lost, and is traced.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct ResponseFuture<F, Request, R, K, T, E> {
        #[pin]
        state: State<F, Request, T, E>,
        shared: Pointer<Arc<Shared<R, K>>>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, Request, T, E> {
        Inner {
            #[pin]
            inner: F,
            // Whether the request is one to keep.
            keeps: bool,
            copy: Option<Request>,
        },
        Keep { keeping: Boxed<()>, result: Option<Result<T, E>> },
    }
}

impl<F, Request, R, K, T, E> ResponseFuture<F, Request, R, K, T, E> {
    #[inline]
    pub(super) const fn new(inner: F, keeps: bool, copy: Option<Request>, shared: Pointer<Arc<Shared<R, K>>>) -> Self {
        Self { state: State::Inner { inner, keeps, copy }, shared }
    }
}

impl<F, Request, R, K, T, E> Future for ResponseFuture<F, Request, R, K, T, E>
where
    F: Future<Output = Result<T, E>>,
    R: Classify<T, E> + Send + Sync + 'static,
    K: Sink<Request> + Send + Sync + 'static,
    Request: Send + 'static,
    E: Rejectable,
{
    type Output = Result<T, E>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProj::Inner { inner, keeps, copy } => {
                    // The one or the other, so that a response that fits into a register stays in one.
                    let (result, verdict, effect) = match ready!(inner.poll(cx)) {
                        Ok(response) => {
                            if !*keeps {
                                return Poll::Ready(Ok(response));
                            }
                            let verdict = this.shared.rules.classify(Ok(&response));
                            let Some(effect) = effect(verdict, None) else { return Poll::Ready(Ok(response)) };
                            (Ok(response), verdict, effect)
                        }
                        Err(error) => {
                            let verdict = this.shared.rules.classify(Err(&error));
                            match effect(verdict, effect_of_rejection(&error)) {
                                Some(effect) if *keeps => (Err(error), verdict, effect),
                                _ => return Poll::Ready(Err(error)),
                            }
                        }
                    };
                    // Inner -> Keep: it failed for good.
                    match parcel(this.shared, copy.take(), verdict, effect, result.as_ref()) {
                        Some(parcel) => State::Keep { keeping: keep(parcel), result: Some(result) },
                        None => return Poll::Ready(result),
                    }
                }
                StateProj::Keep { keeping, result } => {
                    ready!(Pin::new(keeping).poll(cx));
                    return Poll::Ready(result.take().expect("it is polled once"));
                }
            };
            this.state.set(next);
        }
    }
}

/// The letter on its way; `None`, and counted as lost, if there is no copy of the request.
#[cold]
fn parcel<Request, R, K, T, E>(
    shared: &Arc<Shared<R, K>>,
    copy: Option<Request>,
    verdict: Verdict,
    effect: Effect,
    result: Result<&T, &E>,
) -> Option<Parcel<Request, R, K>>
where
    R: Classify<T, E>,
    E: Rejectable,
{
    let error_type = shared.rules.error_type(result);
    let attempts = result.err().and_then(Rejectable::attempts).cloned();
    let mut parcel = Parcel::new(Arc::clone(shared), effect, error_type.clone());
    let Some(request) = copy else {
        parcel.lose("no_copy", None);
        return None;
    };
    parcel.letter = Some(DeadLetter { request, verdict, effect, error_type, attempts, at: Instant::now() });
    Some(parcel)
}

impl<F, Request, R, K, T, E> fmt::Debug for ResponseFuture<F, Request, R, K, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Inner { .. } => "inner",
            State::Keep { .. } => "keep",
        };
        f.debug_struct("ResponseFuture").field("state", &state).finish_non_exhaustive()
    }
}
