use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::any::Error;
use crate::macros::service_accessors;

/// Puts the error of a client into [`Error::Service`], so that the layers above can add rejections of their own.
///
/// It belongs directly above the client, below the last windbreak layer. It does what `.map_err(Error::Service)` of
/// `tower::ServiceBuilder` does, and its service can be named.
///
/// ```
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
/// use windbreak::{BulkheadLayer, Error, ServiceErrorLayer};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), windbreak::InvalidConfig> {
/// let client = ServiceBuilder::new()
///     .layer(BulkheadLayer::new(8)?)
///     .layer(ServiceErrorLayer)
///     .service(service_fn(|_: ()| async { Err::<(), _>("down") }));
///
/// assert_eq!(client.oneshot(()).await, Err(Error::Service("down")));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ServiceErrorLayer;

/// A service whose error is an [`Error::Service`]. Made by [`ServiceErrorLayer`].
#[derive(Debug, Clone, Copy)]
pub struct ServiceError<S> {
    inner: S,
}

service_accessors!(ServiceError<S>);

impl<S> Layer<S> for ServiceErrorLayer {
    type Service = ServiceError<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ServiceError { inner }
    }
}

impl<S, R> Service<R> for ServiceError<S>
where
    S: Service<R>,
{
    type Response = S::Response;
    type Error = Error<S::Error>;
    type Future = ServiceErrorFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Error::Service)
    }

    #[inline]
    fn call(&mut self, request: R) -> Self::Future {
        ServiceErrorFuture { inner: self.inner.call(request) }
    }
}

pin_project! {
    /// The response of a [`ServiceError`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct ServiceErrorFuture<F> {
        #[pin]
        inner: F,
    }
}

impl<F, T, E> Future for ServiceErrorFuture<F>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = Result<T, Error<E>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().inner.poll(cx).map_err(Error::Service)
    }
}
