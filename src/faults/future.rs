use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};

pin_project! {
    /// The response of a [`Faulty`](super::Faulty).
    ///
    /// # Panics
    ///
    /// If the result is to be held back and there is no tokio runtime with its timer enabled.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it drops the call, if one was made, or its result.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct ResponseFuture<F, E>
    where
        F: Future,
    {
        #[pin]
        state: State<F, E>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, E>
    where
        F: Future,
    {
        Passed { #[pin] inner: F },
        Failed { error: Option<E> },
        Delayed { #[pin] inner: F, delay: Duration },
        // Boxed, so that a call without a fault is not larger for it.
        HeldBack { output: Option<F::Output>, sleep: Pin<Box<Sleep>> },
        Losing { #[pin] inner: F },
        Hung,
    }
}

impl<F: Future, E> ResponseFuture<F, E> {
    #[inline]
    pub(super) const fn pass(inner: F) -> Self {
        Self { state: State::Passed { inner } }
    }

    #[cold]
    pub(super) const fn fail(error: E) -> Self {
        Self { state: State::Failed { error: Some(error) } }
    }

    #[cold]
    pub(super) const fn delay(inner: F, delay: Duration) -> Self {
        Self { state: State::Delayed { inner, delay } }
    }

    #[cold]
    pub(super) const fn lose(inner: F) -> Self {
        Self { state: State::Losing { inner } }
    }

    #[cold]
    pub(super) const fn hang() -> Self {
        Self { state: State::Hung }
    }
}

impl<F, T, E> Future for ResponseFuture<F, E>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = Result<T, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProj::Passed { inner } => return inner.poll(cx),
                StateProj::Failed { error } => {
                    return Poll::Ready(Err(error.take().expect("polled after it was ready")));
                }
                StateProj::Delayed { inner, delay } => {
                    let output = Some(ready!(inner.poll(cx)));
                    // Delayed -> HeldBack: the call has ended.
                    State::HeldBack { output, sleep: Box::pin(sleep(*delay)) }
                }
                StateProj::HeldBack { output, sleep } => {
                    ready!(sleep.as_mut().poll(cx));
                    return Poll::Ready(output.take().expect("polled after it was ready"));
                }
                StateProj::Losing { inner } => {
                    drop(ready!(inner.poll(cx)));
                    // Losing -> Hung: the call has ended, and nobody hears of it.
                    State::Hung
                }
                StateProj::Hung => return Poll::Pending,
            };
            state.set(next);
        }
    }
}

impl<F: Future, E> fmt::Debug for ResponseFuture<F, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture")
    }
}
