use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::Permit;
use crate::classify::{Classify, Effect, Failure, Verdict};
use crate::error::{Rejectable, Rejection};
use crate::extent::Extent;

pin_project! {
    /// The answer of a [`CircuitBreaker`](super::CircuitBreaker).
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it gives its admission back, and counts for nothing unless slow calls are judged
    /// and it already was one.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct ResponseFuture<F, C, U> {
        #[pin]
        state: State<F, C>,
        extent: PhantomData<fn() -> U>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = StateProj]
    enum State<F, C> {
        Admitted {
            #[pin]
            inner: F,
            permit: Option<Permit>,
            classifier: C,
        },
        Rejected {
            rejection: Option<Rejection>,
        },
    }
}

impl<F, C, U> ResponseFuture<F, C, U> {
    /// Makes the inner future; that it panics counts as a failure.
    #[inline]
    pub(super) fn admitted(permit: Permit, classifier: C, call: impl FnOnce() -> F) -> Self {
        let mut permit = Some(permit);
        let inner = fail_on_unwind(&mut permit, call);
        Self { state: State::Admitted { inner, permit, classifier }, extent: PhantomData }
    }

    #[cold]
    pub(super) const fn rejected(rejection: Rejection) -> Self {
        Self { state: State::Rejected { rejection: Some(rejection) }, extent: PhantomData }
    }
}

impl<F, C, U, T, E> Future for ResponseFuture<F, C, U>
where
    F: Future<Output = Result<T, E>>,
    E: Rejectable,
    C: Classify<T, E>,
    U: Extent<T, Permit>,
{
    type Output = Result<U::Response, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Admitted { inner, permit, classifier } => {
                let result = ready!(fail_on_unwind(permit, || inner.poll(cx)));
                let verdict = classifier.classify(result.as_ref());
                let bad = result.is_err() || matches!(verdict, Verdict::Failure(_) | Verdict::Ignored);
                if let Some(permit) = permit.as_mut().filter(|_| bad) {
                    // No body can make it any better.
                    permit.settle(verdict);
                }
                Poll::Ready(result.map(|response| U::settle(response, permit)))
            }
            StateProj::Rejected { rejection } => {
                let rejection = rejection.take().expect("polled after it was ready");
                Poll::Ready(Err(rejection.into()))
            }
        }
    }
}

/// Runs the callee's code; if it panics, the call is recorded as failed.
#[inline]
fn fail_on_unwind<R>(permit: &mut Option<Permit>, run: impl FnOnce() -> R) -> R {
    struct Guard<'a>(&'a mut Option<Permit>);

    impl Drop for Guard<'_> {
        fn drop(&mut self) {
            if let Some(permit) = self.0 {
                permit.settle(Verdict::Failure(Failure::new(Effect::Unknown)));
            }
        }
    }

    let guard = Guard(permit);
    let result = run();
    std::mem::forget(guard);
    result
}
