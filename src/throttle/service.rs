use std::sync::Arc;
use std::task::{Context, Poll};

use tower_service::Service;

use super::future::ResponseFuture;
use super::handle::Throttle;
use super::shared::Shared;
use crate::error::Rejectable;
use crate::macros::service_accessors;
use crate::rules::Classify;

/// A service behind a [`Throttle`]. Made by [`ThrottleLayer`](super::ThrottleLayer).
///
/// Clones share the throttle.
#[derive(Debug)]
pub struct Throttled<S, R> {
    inner: S,
    shared: Arc<Shared<R>>,
}

impl<S, R> Throttled<S, R> {
    pub(super) const fn new(inner: S, shared: Arc<Shared<R>>) -> Self {
        Self { inner, shared }
    }

    /// The throttle.
    #[must_use]
    pub fn throttle(&self) -> &Throttle {
        &self.shared.throttle
    }
}

service_accessors!(Throttled<S, R>);

impl<S: Clone, R> Clone for Throttled<S, R> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), Arc::clone(&self.shared))
    }
}

impl<S, R, Request> Service<Request> for Throttled<S, R>
where
    S: Service<Request>,
    S::Error: Rejectable,
    R: Classify<S::Response, S::Error>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, R>;

    /// Ready when the inner service is.
    ///
    /// A service that was polled ready and is then rejected keeps what its inner service gave it, such as a permit, for its
    /// next call; drop it if there is to be none.
    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request) -> Self::Future {
        match self.shared.throttle.admit() {
            Ok(()) => ResponseFuture::admitted(Arc::clone(&self.shared), self.inner.call(request)),
            Err(rejection) => ResponseFuture::rejected(rejection),
        }
    }
}
