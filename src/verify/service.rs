use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use tower_service::Service;

use super::future::ResponseFuture;
use super::shared::Shared;
use crate::error::Rejectable;
use crate::instance::Instance;
use crate::macros::service_accessors;
use crate::rules::{Classify, Idempotency, Replay};

/// A service that finds out whether its failed requests took effect. Made by [`VerifyLayer`](super::VerifyLayer).
pub struct Verify<S, R, Request, T> {
    inner: S,
    shared: Instance<Arc<Shared<R, Request, T>>>,
}

impl<S, R, Request, T> Verify<S, R, Request, T> {
    pub(super) fn new(inner: S, shared: Arc<Shared<R, Request, T>>) -> Self {
        Self { inner, shared: Instance::new(shared) }
    }
}

service_accessors!(Verify<S, R, Request, T>);

impl<S: Clone, R, Request, T> Clone for Verify<S, R, Request, T> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), shared: self.shared.clone() }
    }
}

impl<S, R, Request> Service<Request> for Verify<S, R, Request, S::Response>
where
    S: Service<Request>,
    S::Response: Send + 'static,
    S::Error: Rejectable + Send + 'static,
    R: Classify<S::Response, S::Error> + Replay<Request> + Send + Sync + 'static,
    Request: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, R, Request, S::Response, S::Error>;

    /// Ready when the inner service is. Its error is passed on: nothing was sent.
    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request) -> Self::Future {
        let rules = &self.shared.rules;
        let asks = rules.idempotency(&request) != Idempotency::Safe;
        let copy = if asks { rules.copy(&request) } else { None };
        let shared = Arc::clone(self.shared.called());
        // Last, so that the inner future is made where it will lie.
        ResponseFuture::new(self.inner.call(request), asks, copy, shared)
    }
}

impl<S: fmt::Debug, R, Request, T> fmt::Debug for Verify<S, R, Request, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verify").field("inner", &self.inner).finish_non_exhaustive()
    }
}
