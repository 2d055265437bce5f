use http::{Extensions, Response};
use http_body::Body;

use super::drain::Drain;
use super::rules::{Http, HttpRules};
use crate::attempts::Attempts;
use crate::provider::Provider;
use crate::rules::{Discard, Discarding};

impl<B> Discard<Response<B>> for HttpRules
where
    B: Body + Send + 'static,
{
    fn discard(&self, response: Response<B>) -> Option<Discarding> {
        self.drain.drain(response.into_body())
    }

    fn mark(&self, response: &mut Response<B>, attempts: &Attempts) {
        note(response.extensions_mut(), attempts);
    }

    fn mark_provider(&self, response: &mut Response<B>, provider: &Provider) {
        response.extensions_mut().insert(provider.clone());
    }
}

#[cfg(feature = "reqwest")]
impl Discard<reqwest::Response> for HttpRules {
    fn discard(&self, response: reqwest::Response) -> Option<Discarding> {
        self.drain.drain(Response::from(response).into_body())
    }

    fn mark(&self, response: &mut reqwest::Response, attempts: &Attempts) {
        note(response.extensions_mut(), attempts);
    }

    fn mark_provider(&self, response: &mut reqwest::Response, provider: &Provider) {
        response.extensions_mut().insert(provider.clone());
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
        note(response.extensions_mut(), attempts);
    }

    fn mark_provider(&self, response: &mut Response<B>, provider: &Provider) {
        response.extensions_mut().insert(provider.clone());
    }
}

#[cfg(feature = "reqwest")]
impl Discard<reqwest::Response> for Http {
    fn discard(&self, response: reqwest::Response) -> Option<Discarding> {
        Drain::new().drain(Response::from(response).into_body())
    }

    fn mark(&self, response: &mut reqwest::Response, attempts: &Attempts) {
        note(response.extensions_mut(), attempts);
    }

    fn mark_provider(&self, response: &mut reqwest::Response, provider: &Provider) {
        response.extensions_mut().insert(provider.clone());
    }
}

/// A layer below may have noted its own attempts already.
fn note(extensions: &mut Extensions, attempts: &Attempts) {
    let attempts = attempts.clone();
    let attempts = extensions.remove().iter().fold(attempts, Attempts::around);
    extensions.insert(attempts);
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;

    use super::*;
    use crate::rules::Effect;

    #[test]
    fn a_response_keeps_the_attempts_of_a_layer_below() {
        let mut retries = Attempts::none();
        retries.add_sent();
        retries.add_failed("503".into(), Effect::Unknown);
        retries.add_sent();
        let mut response = Response::new(Full::new(bytes::Bytes::new()));
        Http.mark(&mut response, &retries);
        Http.mark(&mut response, &Attempts::raced(1, 1));
        let attempts = response.extensions().get::<Attempts>().unwrap();
        assert_eq!((attempts.count(), attempts.winner()), (3, Some(1)));
        assert_eq!(attempts.reasons().collect::<Vec<_>>(), ["503"]);
    }
}
