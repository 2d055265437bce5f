use http::{Extensions, HeaderMap, Method, Request, Response, StatusCode};

/// What the layers need of a request: `http::Request`, or `reqwest::Request` with the feature `reqwest`.
pub trait HttpRequest {
    /// Its method.
    fn method(&self) -> &Method;
    /// Its headers.
    fn headers(&self) -> &HeaderMap;
    /// Its headers, to change.
    fn headers_mut(&mut self) -> &mut HeaderMap;
    /// The host, and the port if one is given, in lower case; `None` if the target names no host.
    fn authority(&self) -> Option<String>;
    /// Its extensions, to change; `None` if it has none, as with `reqwest::Request`.
    fn extensions_mut(&mut self) -> Option<&mut Extensions>;
}

/// What the layers need of a response: `http::Response`, or `reqwest::Response` with the feature `reqwest`.
pub trait HttpResponse {
    /// Whether the client that gives such responses may follow redirects by itself. Then neither they nor its errors prove
    /// that the request was not acted upon: they may be those of a later one.
    const FOLLOWS_REDIRECTS: bool;

    /// Its status.
    fn status(&self) -> StatusCode;
    /// Its headers.
    fn headers(&self) -> &HeaderMap;
}

/// The authority of a request; empty if its target names no host. The key of one layer for each host: see
/// [`per_key`](https://docs.rs/windbreak/latest/windbreak/per_key/).
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
        self.uri().authority().map(|authority| authority.as_str().to_ascii_lowercase())
    }

    fn extensions_mut(&mut self) -> Option<&mut Extensions> {
        Some(self.extensions_mut())
    }
}

impl<B> HttpResponse for Response<B> {
    const FOLLOWS_REDIRECTS: bool = false;

    fn status(&self) -> StatusCode {
        self.status()
    }

    fn headers(&self) -> &HeaderMap {
        self.headers()
    }
}
