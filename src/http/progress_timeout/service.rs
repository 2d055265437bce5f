use std::task::{Context, Poll};

use http::Method;
use tower_service::Service;

use super::future::ResponseFuture;
use super::limits::Limits;
use super::progress::ReadTimer;
use super::request::WatchBody;
use crate::error::Rejectable;
use crate::http::message::HttpRequest;
use crate::macros::service_accessors;
use crate::per_key::{Evict, Keep};
use crate::until_body_end::GuardBody;

/// A service whose transfers must make progress. Made by [`ProgressTimeoutLayer`](super::ProgressTimeoutLayer).
#[derive(Debug, Clone)]
pub struct ProgressTimeout<S> {
    inner: S,
    limits: Limits,
}

impl<S> ProgressTimeout<S> {
    pub(super) const fn new(inner: S, limits: Limits) -> Self {
        Self { inner, limits }
    }
}

service_accessors!(ProgressTimeout<S>);

impl<S: Evict> Evict for ProgressTimeout<S> {
    fn keep(&self) -> Keep {
        self.inner.keep()
    }
}

impl<S, R> Service<R> for ProgressTimeout<S>
where
    R: HttpRequest + WatchBody,
    S: Service<R::Watched>,
    S::Error: Rejectable,
    S::Response: GuardBody<ReadTimer>,
{
    type Response = <S::Response as GuardBody<ReadTimer>>::Guarded;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let is_head = request.method() == Method::HEAD;
        let (request, progress) = request.watch(self.limits.write.is_some());
        ResponseFuture::new(self.inner.call(request), self.limits, progress, is_head)
    }
}
