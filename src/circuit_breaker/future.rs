use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::permit::Permit;
use super::service::Shared;
use crate::error::{Rejectable, Rejection};
use crate::rules::{Classify, Verdict};
use crate::until_body_end::{Guard, Hold, Sealed};

pin_project! {
    /// The response of a [`CircuitBreaker`](super::CircuitBreaker).
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it gives its admission back, and counts for nothing unless slow calls are judged
    /// and it already was one.
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
        Admitted {
            #[pin]
            inner: F,
            permit: Option<Permit>,
            shared: Arc<Shared<R>>,
        },
        Rejected {
            rejection: Option<Rejection>,
        },
    }
}

impl<F, R> ResponseFuture<F, R> {
    /// Makes the inner future; that it panics counts as a failure.
    #[inline]
    pub(super) fn admitted(permit: Permit, shared: Arc<Shared<R>>, call: impl FnOnce() -> F) -> Self {
        let mut permit = Some(permit);
        let inner = fail_on_unwind(&mut permit, call);
        Self { state: State::Admitted { inner, permit, shared } }
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
        let (result, permit) = ready!(self.poll_hold(cx));
        if let Some(permit) = permit {
            permit.complete();
        }
        Poll::Ready(result)
    }
}

impl<F, R> Sealed for ResponseFuture<F, R> {}

impl<F, R, T, E> Hold for ResponseFuture<F, R>
where
    F: Future<Output = Result<T, E>>,
    E: Rejectable,
    R: Classify<T, E>,
{
    type Guard = Permit;

    #[inline]
    fn poll_hold(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<(Self::Output, Option<Permit>)> {
        match self.project().state.project() {
            StateProj::Admitted { inner, permit, shared } => {
                let result = ready!(fail_on_unwind(permit, || inner.poll(cx)));
                let verdict = shared.rules.classify(result.as_ref());
                let bad = result.is_err() || matches!(verdict, Verdict::Failure(_) | Verdict::Ignored);
                if let Some(permit) = permit.as_mut().filter(|_| bad) {
                    // No body can make it any better.
                    permit.settle(verdict);
                }
                Poll::Ready((result, permit.take()))
            }
            StateProj::Rejected { rejection } => {
                let rejection = rejection.take().expect("polled after it was ready");
                Poll::Ready((Err(rejection.into()), None))
            }
        }
    }
}

/// Runs the upstream's code; if it panics, the call is recorded as failed.
#[inline]
fn fail_on_unwind<R>(permit: &mut Option<Permit>, run: impl FnOnce() -> R) -> R {
    struct Guard<'a>(&'a mut Option<Permit>);

    impl Drop for Guard<'_> {
        fn drop(&mut self) {
            if let Some(permit) = self.0 {
                permit.settle(Verdict::UNKNOWN);
            }
        }
    }

    let guard = Guard(permit);
    let result = run();
    std::mem::forget(guard);
    result
}
