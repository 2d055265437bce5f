use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::time::Instant;
use tower_service::Service;

use super::future::AdaptiveResponseFuture;
use super::shared::Shared;
use crate::error::Rejectable;
use crate::macros::service_accessors;
use crate::rules::Classify;

/// A service whose responses set the limit of the bulkhead directly above it. Made by
/// [`AdaptiveBulkheadLayer`](super::AdaptiveBulkheadLayer).
pub struct Adaptive<S, R> {
    inner: S,
    shared: Arc<Shared<R>>,
}

impl<S, R> Adaptive<S, R> {
    pub(super) const fn new(inner: S, shared: Arc<Shared<R>>) -> Self {
        Self { inner, shared }
    }

    /// The limit as the responses set it: that of the semaphore, unless it is only observed.
    #[must_use]
    pub fn adapted_limit(&self) -> usize {
        self.shared.limit()
    }

    /// Whether that is another limit than the first one.
    pub(crate) fn has_learned(&self) -> bool {
        self.shared.has_learned()
    }
}

service_accessors!(Adaptive<S, R>);

impl<S: Clone, R> Clone for Adaptive<S, R> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), Arc::clone(&self.shared))
    }
}

impl<S: fmt::Debug, R> fmt::Debug for Adaptive<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Adaptive")
            .field("inner", &self.inner)
            .field("limit", &self.shared.limit())
            .finish_non_exhaustive()
    }
}

impl<S, R, Request> Service<Request> for Adaptive<S, R>
where
    S: Service<Request>,
    S::Error: Rejectable,
    R: Classify<S::Response, S::Error>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = AdaptiveResponseFuture<S::Future, R>;

    /// Ready when the inner service is.
    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request) -> Self::Future {
        let admitted = Instant::now();
        let in_flight = self.shared.in_flight();
        AdaptiveResponseFuture::new(self.inner.call(request), Arc::clone(&self.shared), admitted, in_flight)
    }
}
