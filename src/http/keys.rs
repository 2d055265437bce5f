use http::{HeaderMap, HeaderName, HeaderValue};

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
    } else if has_key(request.headers(), header) {
        Idempotency::Keyed
    } else {
        Idempotency::NotIdempotent
    }
}

/// Whether a request with these headers has a key by which the server recognises a repeat of it.
///
/// An empty key is none: servers ignore it or treat all requests with it as one. Where the header is there several times,
/// nobody knows which of them the server reads, so none may be empty.
pub(super) fn has_key(headers: &HeaderMap, name: &HeaderName) -> bool {
    headers.contains_key(name) && headers.get_all(name).iter().all(is_key)
}

/// Whether there is more to it than white space and quotes: the draft has a quoted string, but many send it without.
pub(super) fn is_key(value: &HeaderValue) -> bool {
    let mut bytes = value.as_bytes();
    while let [first, rest @ ..] = bytes {
        match first {
            b'"' if rest.first() == Some(&b'"') => return false,
            b'"' | b' ' | b'\t' => bytes = rest,
            _ => return true,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (IDEMPOTENCY_KEY, HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn an_empty_key_is_no_key() {
        for empty in ["", " ", "\"\"", "\" \"", " \"\" ", "\"", "\"\t\"", "\"\";a=b", "\"\"x\"\""] {
            assert!(!has_key(&headers(&[empty]), &IDEMPOTENCY_KEY), "{empty:?}");
            assert!(!has_key(&headers(&["\"7\"", empty]), &IDEMPOTENCY_KEY), "{empty:?} beside a key");
        }
        assert!(!has_key(&headers(&[]), &IDEMPOTENCY_KEY));
    }

    #[test]
    fn what_is_not_empty_is_a_key() {
        for key in ["\"7\"", "7", " 7", "\" 7\"", "\"a\"\"b\"", "\";\"", "-"] {
            assert!(has_key(&headers(&[key]), &IDEMPOTENCY_KEY), "{key:?}");
        }
        assert!(has_key(&headers(&["\"7\"", "8"]), &IDEMPOTENCY_KEY));
    }
}
