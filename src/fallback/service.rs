use std::sync::Arc;
use std::task::{Context, Poll};

use tower_service::Service;

use super::future::ResponseFuture;
use super::handler::Handler;
use super::shared::Shared;
use crate::instance::Instance;
use crate::macros::service_accessors;
use crate::rules::Classify;

/// A service with a substitute for its failures. Made by [`FallbackLayer`](super::FallbackLayer).
#[derive(Debug)]
pub struct Fallback<S, R, H> {
    inner: S,
    shared: Instance<Arc<Shared<R, H>>>,
}

impl<S, R, H> Fallback<S, R, H> {
    pub(super) fn new(inner: S, shared: Arc<Shared<R, H>>) -> Self {
        Self { inner, shared: Instance::new(shared) }
    }
}

service_accessors!(Fallback<S, R, H>);

impl<S: Clone, R, H> Clone for Fallback<S, R, H> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), shared: self.shared.clone() }
    }
}

impl<S, R, H, Request> Service<Request> for Fallback<S, R, H>
where
    S: Service<Request>,
    R: Classify<S::Response, S::Error>,
    H: Handler<R, Request, S::Response, S::Error>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, Request, R, H>;

    /// Ready when the inner service is. Its error is passed on: there is no request yet that could get a substitute.
    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline(always)]
    fn call(&mut self, request: Request) -> Self::Future {
        let kept = self.shared.handler.keep(&self.shared.rules, &request);
        let shared = Arc::clone(self.shared.called());
        // Last, so that the inner future is made where it will lie.
        ResponseFuture::new(self.inner.call(request), kept, shared)
    }
}
