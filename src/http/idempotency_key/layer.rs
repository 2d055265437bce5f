use std::fmt;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use rand::RngExt as _;
use rand::rngs::SmallRng;
use tower_layer::Layer;

use super::service::IdempotencyKey;
use crate::http::keys::IDEMPOTENCY_KEY;

/// Gives each `POST` and `PATCH` that has none an `Idempotency-Key`: 128 random bits as a quoted string.
#[derive(Clone)]
pub struct IdempotencyKeyLayer {
    pub(super) header: HeaderName,
    pub(super) generator: Arc<dyn Fn() -> HeaderValue + Send + Sync>,
}

impl IdempotencyKeyLayer {
    /// Random keys in the header `Idempotency-Key`.
    #[must_use]
    pub fn new() -> Self {
        Self { header: IDEMPOTENCY_KEY, generator: Arc::new(random_key) }
    }

    /// Writes the key into this header instead. Tell the retries, with
    /// [`idempotency_header`](crate::http::HttpRules::idempotency_header).
    #[must_use]
    pub fn header(self, name: HeaderName) -> Self {
        Self { header: name, ..self }
    }

    /// Takes keys from `generator` instead. The draft wants a quoted string: the quotes are part of the value.
    #[must_use]
    pub fn generator(self, generator: impl Fn() -> HeaderValue + Send + Sync + 'static) -> Self {
        Self { generator: Arc::new(generator), ..self }
    }
}

/// From the operating system each time: two processes never make the same key.
fn random_key() -> HeaderValue {
    let bits: u128 = rand::make_rng::<SmallRng>().random();
    HeaderValue::try_from(format!("\"{bits:032x}\"")).expect("digits and quotes make a header")
}

impl Default for IdempotencyKeyLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for IdempotencyKeyLayer {
    type Service = IdempotencyKey<S>;

    fn layer(&self, inner: S) -> Self::Service {
        IdempotencyKey::new(inner, self.clone())
    }
}

impl fmt::Debug for IdempotencyKeyLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdempotencyKeyLayer").field("header", &self.header).finish_non_exhaustive()
    }
}
