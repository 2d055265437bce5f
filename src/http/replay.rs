use http::{HeaderName, HeaderValue, Request};

use super::{CustomHttp, Http, HttpRequest, ResendCount};
use crate::classify::Replay;

/// The request header by which a server recognises a request it has seen before
/// (IETF draft `draft-ietf-httpapi-idempotency-key-header`).
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

fn is_keyed(request: &impl HttpRequest, header: &HeaderName) -> bool {
    request.headers().contains_key(header)
}

fn is_idempotent(request: &impl HttpRequest, header: &HeaderName) -> bool {
    request.method().is_idempotent() || is_keyed(request, header)
}

fn number(request: &mut impl HttpRequest, resends: u32, header: Option<&HeaderName>) {
    if let Some(extensions) = request.extensions_mut() {
        extensions.insert(ResendCount(resends));
    }
    if let Some(name) = header {
        request.headers_mut().insert(name, HeaderValue::from(resends));
    }
}

impl<B: Clone> Replay<Request<B>> for Http {
    fn replay(&self, request: &Request<B>) -> Option<Request<B>> {
        Some(request.clone())
    }

    fn is_idempotent(&self, request: &Request<B>) -> bool {
        is_idempotent(request, &IDEMPOTENCY_KEY)
    }

    fn is_keyed(&self, request: &Request<B>) -> bool {
        is_keyed(request, &IDEMPOTENCY_KEY)
    }

    fn number(&self, request: &mut Request<B>, resends: u32) {
        number(request, resends, None);
    }
}

/// A request whose body is a stream cannot be copied, and is sent once.
#[cfg(feature = "reqwest")]
impl Replay<reqwest::Request> for Http {
    fn replay(&self, request: &reqwest::Request) -> Option<reqwest::Request> {
        request.try_clone()
    }

    fn is_idempotent(&self, request: &reqwest::Request) -> bool {
        is_idempotent(request, &IDEMPOTENCY_KEY)
    }

    fn is_keyed(&self, request: &reqwest::Request) -> bool {
        is_keyed(request, &IDEMPOTENCY_KEY)
    }
}

impl<R, F> Replay<R> for CustomHttp<F>
where
    R: HttpRequest,
    Http: Replay<R>,
{
    fn replay(&self, request: &R) -> Option<R> {
        Http.replay(request)
    }

    fn is_idempotent(&self, request: &R) -> bool {
        is_idempotent(request, &self.idempotency_header)
    }

    fn is_keyed(&self, request: &R) -> bool {
        is_keyed(request, &self.idempotency_header)
    }

    fn number(&self, request: &mut R, resends: u32) {
        number(request, resends, self.resend_header.as_ref());
    }
}
