use std::sync::Arc;
use std::task::{Context, Poll};

use tower_service::Service;

use super::{Always, FallbackLayer, Handler, ResponseFuture, When};
use crate::classify::{Classify, DefaultClassifier};

/// A service with something to fall back on. Made by [`FallbackLayer`](super::FallbackLayer).
#[derive(Debug)]
pub struct Fallback<S, H, C = DefaultClassifier, W = Always> {
    inner: S,
    layer: Arc<FallbackLayer<H, C, W>>,
}

impl<S, H, C, W> Fallback<S, H, C, W> {
    pub(super) const fn new(inner: S, layer: Arc<FallbackLayer<H, C, W>>) -> Self {
        Self { inner, layer }
    }

    /// The wrapped service.
    #[must_use]
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The wrapped service.
    #[must_use]
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The wrapped service, unwrapped.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Clone, H, C, W> Clone for Fallback<S, H, C, W> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), Arc::clone(&self.layer))
    }
}

impl<S, H, C, W, R> Service<R> for Fallback<S, H, C, W>
where
    S: Service<R>,
    H: Handler<R, S::Response, S::Error>,
    C: Classify<S::Response, S::Error>,
    W: When<S::Response, S::Error>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, R, H, C, W>;

    /// Ready when the inner service is. Its error is passed on: there is no request yet to answer instead.
    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: R) -> Self::Future {
        let kept = self.layer.handler.keep(&request);
        let layer = Arc::clone(&self.layer);
        // Last, so that the inner future is made where it will lie.
        ResponseFuture::new(self.inner.call(request), kept, layer)
    }
}
