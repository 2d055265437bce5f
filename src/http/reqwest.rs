use http::{Extensions, HeaderMap, Method, StatusCode};
use reqwest::{Request, Response};

use super::message::{HttpRequest, HttpResponse};

impl HttpRequest for Request {
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
        let host = self.url().host_str()?;
        Some(self.url().port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
    }

    fn extensions_mut(&mut self) -> Option<&mut Extensions> {
        None
    }
}

impl HttpResponse for Response {
    const FOLLOWS_REDIRECTS: bool = true;

    fn status(&self) -> StatusCode {
        self.status()
    }

    fn headers(&self) -> &HeaderMap {
        self.headers()
    }
}
