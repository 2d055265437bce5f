use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use tower_layer::Layer;

use super::service::IdempotencyKey;
use super::source::{GeneratedKeys, KeysFrom, RandomKeys};
use crate::http::keys::IDEMPOTENCY_KEY;

/// Gives each `POST` and `PATCH` that has none an `Idempotency-Key`: 128 random bits as a quoted string.
///
/// A request that has a key keeps it. An empty one (`""`, `" "`, `"\"\""`) is none, and is replaced.
#[derive(Debug, Clone)]
pub struct IdempotencyKeyLayer<K = RandomKeys> {
    header: HeaderName,
    keys: K,
}

impl IdempotencyKeyLayer {
    /// Random keys in the header `Idempotency-Key`, from the operating system.
    ///
    /// If it has no random numbers, which is next to impossible, the request is sent without a key and a warning is
    /// traced: such a request is not repeated.
    #[must_use]
    pub const fn new() -> Self {
        Self { header: IDEMPOTENCY_KEY, keys: RandomKeys }
    }
}

impl<K> IdempotencyKeyLayer<K> {
    /// Writes the key into this header instead. Tell the retries, with
    /// [`idempotency_header`](crate::http::HttpRules::idempotency_header).
    #[must_use]
    pub fn header(self, name: HeaderName) -> Self {
        Self { header: name, ..self }
    }

    /// Takes keys from `generator` instead. The draft wants a quoted string: the quotes are part of the value.
    ///
    /// An empty key is not written.
    #[must_use]
    pub fn generator<G>(self, generator: G) -> IdempotencyKeyLayer<GeneratedKeys<G>>
    where
        G: Fn() -> HeaderValue + Send + Sync + 'static,
    {
        IdempotencyKeyLayer { header: self.header, keys: GeneratedKeys(Arc::new(generator)) }
    }

    /// Takes the key from the request, so that it is the same whenever the same order is sent again: also after a crash, by
    /// another process, or from an outbox.
    ///
    /// The key must be one of the *order*, and stand where the order stands: an order number, or a column beside it that
    /// was written before the first attempt. Two different orders must never have the same key: the server would act on
    /// the first of them only. Where `key` returns `None`, or an empty key, the request is sent without, and so is not
    /// repeated. The quotes are part of the value.
    ///
    /// ```
    /// use http::{HeaderValue, Request};
    /// use windbreak::http::idempotency_key::IdempotencyKeyLayer;
    ///
    /// struct Order { number: u64 }
    ///
    /// let layer = IdempotencyKeyLayer::new().key_from(|request: &Request<Order>| {
    ///     HeaderValue::try_from(format!("\"order-{}\"", request.body().number)).ok()
    /// });
    /// # let _ = layer;
    /// ```
    #[must_use]
    pub fn key_from<R, F>(self, key: F) -> IdempotencyKeyLayer<KeysFrom<F>>
    where
        F: Fn(&R) -> Option<HeaderValue> + Send + Sync + 'static,
    {
        IdempotencyKeyLayer { header: self.header, keys: KeysFrom(Arc::new(key)) }
    }
}

impl Default for IdempotencyKeyLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S, K: Clone> Layer<S> for IdempotencyKeyLayer<K> {
    type Service = IdempotencyKey<S, K>;

    fn layer(&self, inner: S) -> Self::Service {
        IdempotencyKey::new(inner, self.header.clone(), self.keys.clone())
    }
}
