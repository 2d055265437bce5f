use std::fmt;
use std::hash::Hash;
use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

use super::layer::PerKeyLayer;
use crate::oneshot::Oneshot as ResponseFuture;

/// A service with a layer for each key. Made by [`PerKeyLayer`].
pub struct PerKey<S, K, L, F, M> {
    inner: S,
    layer: PerKeyLayer<K, L, F, M>,
}

impl<S, K, L, F, M> PerKey<S, K, L, F, M> {
    pub(super) const fn new(inner: S, layer: PerKeyLayer<K, L, F, M>) -> Self {
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

impl<S: Clone, K, L, F, M> Clone for PerKey<S, K, L, F, M> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.layer.clone())
    }
}

impl<S, K, L, F, M, R> Service<R> for PerKey<S, K, L, F, M>
where
    S: Service<R> + Clone,
    K: Hash + Eq,
    L: Layer<S>,
    L::Service: Service<R>,
    <L::Service as Service<R>>::Error: From<S::Error>,
    F: Fn(&R) -> K,
    M: Fn(&K) -> L,
{
    type Response = <L::Service as Service<R>>::Response;
    type Error = <L::Service as Service<R>>::Error;
    type Future = ResponseFuture<L::Service, R>;

    /// Ready when the inner service is. Which layer a request meets is known only when it is called; the response
    /// future waits until that is ready too.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let layer = self.layer.layer_for(&request);
        let clone = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, clone);
        ResponseFuture::new(layer.layer(inner), request)
    }
}

impl<S: fmt::Debug, K, L, F, M> fmt::Debug for PerKey<S, K, L, F, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerKey").field("inner", &self.inner).field("layer", &self.layer).finish()
    }
}
