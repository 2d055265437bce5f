use std::any::type_name;
use std::net::Ipv6Addr;

use http::{Extensions, HeaderMap, Method, Request, Response, StatusCode};

use crate::attempts::Attempts;

/// What the layers need of a request: `http::Request`, or `reqwest::Request` with the feature `reqwest`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an HTTP request that windbreak knows",
    label = "not a known HTTP request",
    note = "`http::Request` is one, and `reqwest::Request` with the feature `reqwest`; for another type, implement `HttpRequest`"
)]
pub trait HttpRequest {
    /// Its method.
    fn method(&self) -> &Method;
    /// Its headers.
    fn headers(&self) -> &HeaderMap;
    /// Its headers, to change.
    fn headers_mut(&mut self) -> &mut HeaderMap;
    /// The host in lower case, and the port unless it is the scheme's own; `None` if the target names no host.
    ///
    /// Never a user or a password. See [`authority`].
    fn authority(&self) -> Option<String>;
    /// Its extensions, to change; `None` if it has none, as with `reqwest::Request`.
    fn extensions_mut(&mut self) -> Option<&mut Extensions>;
}

/// What the layers need of a response: `http::Response`, or `reqwest::Response` with the feature `reqwest`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an HTTP response that windbreak knows",
    label = "not a known HTTP response",
    note = "`http::Response` is one, and `reqwest::Response` with the feature `reqwest`; for another type, implement `HttpResponse`"
)]
pub trait HttpResponse {
    /// Whether the client that gives such responses may follow redirects by itself. Then neither they nor its errors prove
    /// that the request was not acted upon: they may be those of a later one.
    fn may_be_redirected() -> bool;

    /// Its status.
    fn status(&self) -> StatusCode;
    /// Its headers.
    fn headers(&self) -> &HeaderMap;
    /// What it took to get it, as a retry noted it in its extensions. The default is `None`.
    fn attempts(&self) -> Option<&Attempts> {
        None
    }
}

/// The host and the port of a request, as a key; empty if its target names no host. The key of one layer for each host:
/// see [`per_key`](crate::per_key).
///
/// Every spelling of a host is one key, and all clients spell it alike: in lower case, without a trailing dot, without
/// the port of the scheme (80 of `http`, 443 of `https`), an IPv6 address in its canonical form. User and password are no
/// part of it. A key has at most 261 bytes: the host is cut at 255, more than a name of DNS can have.
#[must_use]
pub fn authority<R: HttpRequest>(request: &R) -> String {
    request.authority().unwrap_or_default()
}

impl<B> HttpRequest for Request<B> {
    fn method(&self) -> &Method {
        self.method()
    }

    fn headers(&self) -> &HeaderMap {
        self.headers()
    }

    fn headers_mut(&mut self) -> &mut HeaderMap {
        self.headers_mut()
    }

    fn authority(&self) -> Option<String> {
        let authority = self.uri().authority()?;
        host_and_port(self.uri().scheme_str(), authority.host(), authority.port_u16())
    }

    fn extensions_mut(&mut self) -> Option<&mut Extensions> {
        Some(self.extensions_mut())
    }
}

impl<B> HttpResponse for Response<B> {
    /// By the body: it is reqwest's (of any version) where its responses were made into these, and nothing was put around
    /// the body that hides its type, as `BoxBody` does.
    fn may_be_redirected() -> bool {
        type_name::<B>().contains("reqwest::")
    }

    fn status(&self) -> StatusCode {
        self.status()
    }

    fn headers(&self) -> &HeaderMap {
        self.headers()
    }

    fn attempts(&self) -> Option<&Attempts> {
        self.extensions().get()
    }
}

/// A name of DNS has at most 253 characters, an address fewer.
const MAX_HOST: usize = 255;

/// The key for a host: see [`authority`].
pub(super) fn host_and_port(scheme: Option<&str>, host: &str, port: Option<u16>) -> Option<String> {
    let end = (0..=host.len().min(MAX_HOST)).rfind(|&end| host.is_char_boundary(end))?;
    let host = canonical(host[..end].trim_end_matches('.'));
    if host.is_empty() {
        return None;
    }
    let default_port = match scheme {
        Some("http" | "ws") => Some(80),
        Some("https" | "wss") => Some(443),
        _ => None,
    };
    match port.filter(|_| port != default_port) {
        Some(port) => Some(format!("{host}:{port}")),
        None => Some(host),
    }
}

/// In lower case; an IPv6 address as the standard library writes it.
fn canonical(host: &str) -> String {
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match address.and_then(|address| address.parse::<Ipv6Addr>().ok()) {
        Some(address) => format!("[{address}]"),
        None => host.to_ascii_lowercase(),
    }
}
