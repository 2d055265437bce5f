use http::{Extensions, HeaderMap, Method, StatusCode};
use reqwest::{Request, Response};

use super::message::{HttpRequest, HttpResponse, host_and_port};
use crate::attempts::Attempts;

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
        host_and_port(Some(self.url().scheme()), self.url().host_str()?, self.url().port())
    }

    fn extensions_mut(&mut self) -> Option<&mut Extensions> {
        None
    }
}

impl HttpResponse for Response {
    fn may_be_redirected() -> bool {
        true
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
