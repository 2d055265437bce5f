use http::{HeaderName, HeaderValue, Request};

use super::message::HttpRequest;
use super::rules::HttpRules;
use super::{Http, ResendCount};
use crate::rules::{Idempotency, Repeat, Replay};

/// The request header by which a server recognises a request it has seen before
/// (IETF draft `draft-ietf-httpapi-idempotency-key-header`).
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

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

fn number(request: &mut dyn HttpRequest, resends: u32, header: Option<&HeaderName>) {
    if let Some(extensions) = request.extensions_mut() {
        extensions.insert(ResendCount(resends));
    }
    if let Some(name) = header {
        request.headers_mut().insert(name, HeaderValue::from(resends));
    }
}

impl<R: HttpRequest> Repeat<R> for Http {
    #[inline]
    fn idempotency(&self, request: &R) -> Idempotency {
        idempotency(request, &IDEMPOTENCY_KEY)
    }
}

impl<R: HttpRequest> Repeat<R> for HttpRules {
    #[inline]
    fn idempotency(&self, request: &R) -> Idempotency {
        self.idempotency_of(request)
    }
}

impl<B: Clone> Replay<Request<B>> for Http {
    #[inline]
    fn copy(&self, request: &Request<B>) -> Option<Request<B>> {
        Some(request.clone())
    }

    fn number(&self, request: &mut Request<B>, resends: u32) {
        number(request, resends, None);
    }
}

/// A request whose body is a stream cannot be copied, and is sent once.
#[cfg(feature = "reqwest")]
impl Replay<reqwest::Request> for Http {
    fn copy(&self, request: &reqwest::Request) -> Option<reqwest::Request> {
        request.try_clone()
    }
}

impl<R> Replay<R> for HttpRules
where
    R: HttpRequest,
    Http: Replay<R>,
{
    #[inline]
    fn copy(&self, request: &R) -> Option<R> {
        Http.copy(request)
    }

    fn number(&self, request: &mut R, resends: u32) {
        number(request, resends, self.resend_header.as_ref());
    }
}
