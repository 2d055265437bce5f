use http::HeaderName;

use super::message::HttpRequest;
use crate::rules::Idempotency;

/// The request header by which a server recognises a request it has seen before
/// (IETF draft `draft-ietf-httpapi-idempotency-key-header`).
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What the method and the key say of a request ([RFC 9110, section 9.2](https://www.rfc-editor.org/rfc/rfc9110#section-9.2)).
pub(super) fn idempotency(request: &dyn HttpRequest, header: &HeaderName) -> Idempotency {
    if request.method().is_safe() {
        Idempotency::Safe
    } else if request.method().is_idempotent() {
        Idempotency::Idempotent
    } else if request.headers().contains_key(header) {
        Idempotency::Keyed
    } else {
        Idempotency::NotIdempotent
    }
}
