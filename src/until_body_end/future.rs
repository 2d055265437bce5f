use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::body::{GuardBody, JudgeTrailers};
use super::guard::{Guard, Hold};

pin_project! {
    /// The response of an [`UntilBodyEnd`](super::UntilBodyEnd).
    ///
    /// # Cancel safety
    ///
    /// That of the response future of the layer.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        is_head: bool,
        judge: Option<JudgeTrailers>,
    }
}

impl<F> ResponseFuture<F> {
    #[inline]
    pub(crate) const fn new(inner: F, is_head: bool, judge: Option<JudgeTrailers>) -> Self {
        Self { inner, is_head, judge }
    }
}

impl<F, T, E> Future for ResponseFuture<F>
where
    F: Hold + Future<Output = Result<T, E>>,
    T: GuardBody<F::Guard>,
{
    type Output = Result<T::Guarded, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (result, guard) = ready!(this.inner.poll_hold(cx));
        Poll::Ready(match result {
            Ok(response) => Ok(response.guard_body(guard, *this.is_head, *this.judge)),
            Err(error) => {
                // What is still held is no failure of a body: there is none.
                if let Some(guard) = guard {
                    guard.complete();
                }
                Err(error)
            }
        })
    }
}
