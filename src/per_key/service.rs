use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

use super::future::ResponseFuture;
use super::layer::{PerKeyLayer, Place};
use super::recent::Recent;
use super::services::Services;
use crate::error::{Rejectable, Rejection};

/// A service with a layer for each key. Made by [`PerKeyLayer`].
///
/// For each key, it keeps the service that the layer makes around a clone of the inner one, and calls a clone of that.
/// Clones share these services. Two services made by one [`PerKeyLayer`] share the layers, each around its own inner
/// service. The inner service is cloned with a lock held.
pub struct PerKey<S, K, L, F, M>
where
    L: Layer<S>,
{
    inner: S,
    layer: PerKeyLayer<K, L, F, M>,
    services: Arc<Services<K, L, L::Service>>,
    recent: Recent<K, L, L::Service>,
}

impl<S, K, L: Layer<S>, F, M> PerKey<S, K, L, F, M> {
    pub(super) fn new(inner: S, layer: PerKeyLayer<K, L, F, M>) -> Self {
        Self { inner, layer, services: Arc::default(), recent: Recent::default() }
    }

    /// The wrapped service.
    #[must_use]
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The wrapped service. Requests of this clone, and of clones made from it later, are sent by it as it is then: the
    /// services of the keys are made anew.
    #[must_use]
    pub fn get_mut(&mut self) -> &mut S {
        self.services = Arc::default();
        self.recent = Recent::default();
        &mut self.inner
    }

    /// The wrapped service, unwrapped.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Clone, K, L: Layer<S>, F, M> Clone for PerKey<S, K, L, F, M> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            layer: self.layer.clone(),
            services: Arc::clone(&self.services),
            recent: Recent::default(),
        }
    }
}

impl<S, K, L, F, M> Layer<S> for PerKeyLayer<K, L, F, M>
where
    L: Layer<S>,
{
    type Service = PerKey<S, K, L, F, M>;

    fn layer(&self, inner: S) -> Self::Service {
        PerKey::new(inner, self.clone())
    }
}

impl<S, K, L, F, M, R> Service<R> for PerKey<S, K, L, F, M>
where
    S: Clone,
    K: Hash + Eq,
    L: Layer<S>,
    L::Service: Service<R> + Clone,
    <L::Service as Service<R>>::Error: Rejectable,
    F: Fn(&R) -> K,
    M: Fn(&K) -> L,
{
    type Response = <L::Service as Service<R>>::Response;
    type Error = <L::Service as Service<R>>::Error;
    type Future = ResponseFuture<K, L, L::Service, R>;

    /// Ready at once: which layer a request meets is known only when it is called. The response future waits until the
    /// service of its key is ready.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> Self::Future {
        let key = self.layer.key_of(&request);
        if self.recent.is_time_to_look_around() {
            self.layer.look_around();
        }
        if let Some((slot, service)) = self.recent.get(&key) {
            slot.mark_used();
            return ResponseFuture::called(service, request, slot);
        }
        let hash = self.layer.hash(&key);
        let found = self.services.get(hash);
        if found.look_around {
            self.layer.look_around();
        }
        if let Some((slot, service)) = found.made.filter(|(slot, _)| slot.key == key) {
            slot.mark_used();
            self.recent.note(&slot, &service);
            return ResponseFuture::called(service, request, slot);
        }
        self.call_new(hash, key, request)
    }
}

impl<S, K, L, F, M> PerKey<S, K, L, F, M>
where
    S: Clone,
    K: Hash + Eq,
    L: Layer<S>,
    L::Service: Clone,
    M: Fn(&K) -> L,
{
    /// Apart, for it is seldom.
    #[cold]
    fn call_new<R>(&self, hash: u64, key: K, request: R) -> ResponseFuture<K, L, L::Service, R>
    where
        L::Service: Service<R>,
    {
        match self.layer.place_of(hash, key) {
            Place::Own(slot) => {
                let service = slot.layer.layer(self.inner.clone());
                self.services.insert(&slot, service.clone());
                ResponseFuture::called(service, request, slot)
            }
            Place::Overflow(slot) => {
                let service = self.services.overflow(|| slot.layer.layer(self.inner.clone()));
                ResponseFuture::called(service, request, slot)
            }
            Place::Unfinished => ResponseFuture::rejected(Rejection::LayerUnfinished),
        }
    }
}

impl<S, K, L, F, M> fmt::Debug for PerKey<S, K, L, F, M>
where
    S: fmt::Debug,
    L: Layer<S>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerKey").field("inner", &self.inner).field("layer", &self.layer).finish_non_exhaustive()
    }
}
