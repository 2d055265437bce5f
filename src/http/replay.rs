use http::{HeaderName, HeaderValue, Request};

use super::keys::{IDEMPOTENCY_KEY, idempotency};
use super::message::HttpRequest;
use super::rules::{Http, HttpRules};
use crate::rules::{Idempotency, Repeat, Replay};

/// How often a request was sent before: an extension of `http::Request` on each attempt after the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResendCount(pub u32);

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

    fn number(&self, request: &mut R, resends: u32) {
        number(request, resends, None);
    }
}

impl<R: HttpRequest> Repeat<R> for HttpRules {
    #[inline]
    fn idempotency(&self, request: &R) -> Idempotency {
        idempotency(request, &self.idempotency_header)
    }

    fn number(&self, request: &mut R, resends: u32) {
        number(request, resends, self.resend_header.as_ref());
    }
}

impl<B: Clone> Replay<Request<B>> for Http {
    #[inline]
    fn copy(&self, request: &Request<B>) -> Option<Request<B>> {
        Some(request.clone())
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
}
