use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tokio::time::Instant;

use super::shared::Shared;
use crate::error::Rejectable;
use crate::rules::Classify;

pin_project! {
    /// The response of an [`Adaptive`](super::Adaptive).
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it counts for nothing.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct AdaptiveResponseFuture<F, R> {
        #[pin]
        inner: F,
        shared: Arc<Shared<R>>,
        admitted: Instant,
        in_flight: usize,
    }
}

impl<F, R> AdaptiveResponseFuture<F, R> {
    #[inline]
    pub(super) const fn new(inner: F, shared: Arc<Shared<R>>, admitted: Instant, in_flight: usize) -> Self {
        Self { inner, shared, admitted, in_flight }
    }
}

impl<F, R, T, E> Future for AdaptiveResponseFuture<F, R>
where
    F: Future<Output = Result<T, E>>,
    E: Rejectable,
    R: Classify<T, E>,
{
    type Output = Result<T, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.inner.poll(cx));
        this.shared.record(result.as_ref(), *this.admitted, *this.in_flight);
        Poll::Ready(result)
    }
}

impl<F, R> fmt::Debug for AdaptiveResponseFuture<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("AdaptiveResponseFuture");
        debug.field("admitted", &self.admitted).field("in_flight", &self.in_flight).finish_non_exhaustive()
    }
}
