use std::task::{Context, Poll};

use http::{HeaderName, Method};
use tower_service::Service;

use super::source::{KeySource, RandomKeys};
use crate::http::keys::{has_key, is_key};
use crate::http::message::HttpRequest;
use crate::macros::service_accessors;
use crate::per_key::{Evict, Keep};

/// A service whose requests carry a key. Made by [`IdempotencyKeyLayer`](super::IdempotencyKeyLayer).
#[derive(Debug, Clone)]
pub struct IdempotencyKey<S, K = RandomKeys> {
    inner: S,
    header: HeaderName,
    keys: K,
}

impl<S, K> IdempotencyKey<S, K> {
    pub(super) const fn new(inner: S, header: HeaderName, keys: K) -> Self {
        Self { inner, header, keys }
    }
}

service_accessors!(IdempotencyKey<S, K>);

impl<S: Evict, K> Evict for IdempotencyKey<S, K> {
    fn keep(&self) -> Keep {
        self.inner.keep()
    }
}

impl<S, K, R> Service<R> for IdempotencyKey<S, K>
where
    S: Service<R>,
    K: KeySource<R>,
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
        let needs_key = matches!(*request.method(), Method::POST | Method::PATCH);
        if needs_key && !has_key(request.headers(), &self.header) {
            if let Some(key) = self.keys.key(&request).filter(is_key) {
                request.headers_mut().insert(&self.header, key);
            }
        }
        self.inner.call(request)
    }
}
