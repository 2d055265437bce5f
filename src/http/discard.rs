use http::Response;
use http_body::Body;

use super::drain::Drain;
use super::rules::{Http, HttpRules};
use crate::attempts::Attempts;
use crate::rules::{Discard, Discarding};

impl<B> Discard<Response<B>> for HttpRules
where
    B: Body + Send + 'static,
{
    fn discard(&self, response: Response<B>) -> Option<Discarding> {
        self.drain.drain(response.into_body())
    }

    fn mark(&self, response: &mut Response<B>, attempts: &Attempts) {
        response.extensions_mut().insert(attempts.clone());
    }
}

#[cfg(feature = "reqwest")]
impl Discard<reqwest::Response> for HttpRules {
    fn discard(&self, response: reqwest::Response) -> Option<Discarding> {
        self.drain.drain(Response::from(response).into_body())
    }

    fn mark(&self, response: &mut reqwest::Response, attempts: &Attempts) {
        response.extensions_mut().insert(attempts.clone());
    }
}

impl<B> Discard<Response<B>> for Http
where
    B: Body + Send + 'static,
{
    fn discard(&self, response: Response<B>) -> Option<Discarding> {
        Drain::new().drain(response.into_body())
    }

    fn mark(&self, response: &mut Response<B>, attempts: &Attempts) {
        response.extensions_mut().insert(attempts.clone());
    }
}

#[cfg(feature = "reqwest")]
impl Discard<reqwest::Response> for Http {
    fn discard(&self, response: reqwest::Response) -> Option<Discarding> {
        Drain::new().drain(Response::from(response).into_body())
    }

    fn mark(&self, response: &mut reqwest::Response, attempts: &Attempts) {
        response.extensions_mut().insert(attempts.clone());
    }
}
