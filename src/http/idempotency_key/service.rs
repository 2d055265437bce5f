use std::task::{Context, Poll};

use http::Method;
use tower_service::Service;

use super::layer::IdempotencyKeyLayer;
use crate::http::message::HttpRequest;
use crate::macros::service_accessors;

/// A service whose requests carry a key. Made by [`IdempotencyKeyLayer`].
#[derive(Debug, Clone)]
pub struct IdempotencyKey<S> {
    inner: S,
    layer: IdempotencyKeyLayer,
}

impl<S> IdempotencyKey<S> {
    pub(super) const fn new(inner: S, layer: IdempotencyKeyLayer) -> Self {
        Self { inner, layer }
    }
}

service_accessors!(IdempotencyKey<S>);

impl<S, R> Service<R> for IdempotencyKey<S>
where
    S: Service<R>,
    R: HttpRequest,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: R) -> Self::Future {
        let IdempotencyKeyLayer { header, generator } = &self.layer;
        let needs_key = matches!(*request.method(), Method::POST | Method::PATCH);
        if needs_key && !request.headers().contains_key(header) {
            request.headers_mut().insert(header, generator());
        }
        self.inner.call(request)
    }
}
