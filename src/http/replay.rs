use http::{HeaderMap, Method, Request};

use super::Http;
use crate::classify::Replay;

/// The request header by which a server recognises a request it has seen before
/// (IETF draft `draft-ietf-httpapi-idempotency-key-header`).
const IDEMPOTENCY_KEY: &str = "idempotency-key";

impl Http {
    /// Whether a request with this method and these headers may be sent twice.
    #[must_use]
    pub(super) fn is_repeatable(method: &Method, headers: &HeaderMap) -> bool {
        method.is_idempotent() || headers.contains_key(IDEMPOTENCY_KEY)
    }
}

impl<B: Clone> Replay<Request<B>> for Http {
    fn replay(&self, request: &Request<B>) -> Option<Request<B>> {
        Some(request.clone())
    }

    fn is_idempotent(&self, request: &Request<B>) -> bool {
        Self::is_repeatable(request.method(), request.headers())
    }
}
