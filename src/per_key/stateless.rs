use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

use super::evict::{Evict, Keep};

/// Says of a layer that it remembers nothing, so that it may stand in the stack of a key.
///
/// For layers of other crates, such as tower's `MapRequestLayer`. Not for those that count or queue: what they know is
/// lost when their key is evicted.
///
/// ```
/// use tower::ServiceBuilder;
/// use tower::util::MapRequestLayer;
/// use windbreak::per_key::StatelessLayer;
/// use windbreak::{BulkheadLayer, PerKeyLayer};
///
/// # fn main() -> Result<(), windbreak::InvalidConfig> {
/// let bulkhead = BulkheadLayer::new(32)?;
/// let per_shard = PerKeyLayer::new(1024, |request: &u32| request % 16, move |_| {
///     ServiceBuilder::new()
///         .layer(StatelessLayer::new(MapRequestLayer::new(|request: u32| request + 1)))
///         .layer(bulkhead.sibling())
///         .into_inner()
/// })?;
/// assert_eq!(per_shard.keys(), 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct StatelessLayer<L> {
    layer: L,
}

impl<L> StatelessLayer<L> {
    /// Says of `layer` that it remembers nothing.
    #[must_use]
    pub const fn new(layer: L) -> Self {
        Self { layer }
    }
}

impl<S: Clone, L: Layer<S>> Layer<S> for StatelessLayer<L> {
    type Service = Stateless<L::Service, S>;

    fn layer(&self, inner: S) -> Self::Service {
        Stateless { made: self.layer.layer(inner.clone()), inner }
    }
}

/// The service of a layer that remembers nothing. Made by [`StatelessLayer`].
#[derive(Debug, Clone, Copy)]
pub struct Stateless<T, S> {
    made: T,
    /// A clone of what `made` wraps. It is never called, only asked.
    inner: S,
}

impl<T, S> Stateless<T, S> {
    /// The service that the layer made.
    #[must_use]
    pub const fn get_ref(&self) -> &T {
        &self.made
    }

    /// The service that the layer made.
    #[must_use]
    pub const fn get_mut(&mut self) -> &mut T {
        &mut self.made
    }

    /// The service that the layer made, unwrapped.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.made
    }
}

impl<T, S: Evict> Evict for Stateless<T, S> {
    fn keep(&self) -> Keep {
        self.inner.keep()
    }
}

impl<T, S, R> Service<R> for Stateless<T, S>
where
    T: Service<R>,
{
    type Response = T::Response;
    type Error = T::Error;
    type Future = T::Future;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.made.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: R) -> Self::Future {
        self.made.call(request)
    }
}
