use std::sync::Arc;
use std::task::{Context, Poll};

use tower_service::Service;

use super::future::ResponseFuture;
use super::shared::Shared;
use super::sink::Sink;
use crate::error::Rejectable;
use crate::instance::Instance;
use crate::macros::service_accessors;
use crate::rules::{Classify, Idempotency, Replay};

/// A service whose failed requests are kept. Made by [`DeadLetterLayer`](super::DeadLetterLayer).
#[derive(Debug)]
pub struct DeadLetters<S, R, K> {
    inner: S,
    shared: Instance<Arc<Shared<R, K>>>,
}

impl<S, R, K> DeadLetters<S, R, K> {
    pub(super) fn new(inner: S, shared: Arc<Shared<R, K>>) -> Self {
        Self { inner, shared: Instance::new(shared) }
    }
}

service_accessors!(DeadLetters<S, R, K>);

impl<S: Clone, R, K> Clone for DeadLetters<S, R, K> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), shared: self.shared.clone() }
    }
}

impl<S, R, K, Request> Service<Request> for DeadLetters<S, R, K>
where
    S: Service<Request>,
    S::Response: Send + 'static,
    S::Error: Rejectable + Send + 'static,
    R: Classify<S::Response, S::Error> + Replay<Request> + Send + Sync + 'static,
    K: Sink<Request> + Send + Sync + 'static,
    Request: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, Request, R, K, S::Response, S::Error>;

    /// Ready when the inner service is. Its error is passed on: there is no request yet to keep.
    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request) -> Self::Future {
        let rules = &self.shared.rules;
        let keeps = rules.idempotency(&request) != Idempotency::Safe;
        let copy = if keeps { rules.copy(&request) } else { None };
        let shared = Arc::clone(self.shared.called());
        // Last, so that the inner future is made where it will lie.
        ResponseFuture::new(self.inner.call(request), keeps, copy, shared)
    }
}
