//! What both APIs have in common: what can be asked, and what can be said.

use bytes::Bytes;
use http::{Request, Response};

use super::books::Payment;
use crate::domain::Provider;

pub(super) enum Ask {
    Charge {
        key: String,
        cents: u64,
    },
    Find {
        key: String,
    },
    Void {
        key: String,
    },
    List,
    /// No request of this API.
    Nonsense(String),
}

pub(super) enum Tell<'a> {
    Payment(&'a str, &'a Payment),
    Voided(&'a str),
    NotFound,
    /// Nothing was done.
    Busy,
    /// Something broke within.
    Failed,
    /// A 200 that nobody can read.
    Unreadable,
    List(Vec<(String, Payment)>),
    Nonsense(String),
}

pub(super) fn parse(provider: Provider, request: &Request<Bytes>) -> Ask {
    match provider {
        Provider::Alpha => super::alpha::parse(request),
        Provider::Beta => super::beta::parse(request),
    }
}

pub(super) fn render(provider: Provider, tell: &Tell<'_>) -> Response<Bytes> {
    match provider {
        Provider::Alpha => super::alpha::render(tell),
        Provider::Beta => super::beta::render(tell),
    }
}

/// The body of a callback.
pub(super) fn callback(provider: Provider, key: &str, payment: &Payment) -> Bytes {
    match provider {
        Provider::Alpha => super::alpha::callback(key, payment),
        Provider::Beta => super::beta::callback(key, payment),
    }
}

pub(super) fn respond(status: u16, content_type: &'static str, body: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = http::StatusCode::from_u16(status).expect("a status");
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    response
}
