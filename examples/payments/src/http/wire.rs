use bytes::Bytes;
use http::{Request, Response};
use windbreak::http::Http;
use windbreak::rules::Classify as _;
use windbreak::{Effect, Error, Verdict};

use crate::gateway::{Wire, WireError};
use crate::service::{Delivery, EventError};

/// To a provider over a socket.
#[derive(Debug, Clone)]
pub struct HttpWire {
    client: reqwest::Client,
    /// Without a slash at the end.
    base: String,
}

impl HttpWire {
    /// To the provider at `base`, which has no slash at its end.
    ///
    /// The client follows no redirects and repeats nothing by itself: else nobody could tell which request an error is about,
    /// and a refused connection would prove nothing.
    pub fn new(base: String) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .build()?;
        Ok(Self { client, base })
    }
}

impl Wire for HttpWire {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, WireError> {
        let (head, body) = request.into_parts();
        let url = format!("{}{}", self.base, head.uri);
        let request = self.client.request(head.method, url).headers(head.headers).body(body);
        let response = request.send().await.map_err(failed)?;
        let mut whole = Response::new(Bytes::new());
        (*whole.status_mut(), *whole.headers_mut()) = (response.status(), response.headers().clone());
        *whole.body_mut() = response.bytes().await.map_err(failed)?;
        Ok(whole)
    }
}

/// Which errors certainly had no effect, such as a refused connection, the library knows.
fn failed(error: reqwest::Error) -> WireError {
    let what = if error.is_connect() { "connect" } else { "broken" };
    let error = Error::Service(error);
    let verdict = Http::builder().without_redirects().classify(Err::<&reqwest::Response, _>(&error));
    let effect = match verdict {
        Verdict::Failure(failure) => failure.effect,
        _ => Effect::Unknown,
    };
    WireError { effect, what }
}

/// To the receiver of events over a socket.
#[derive(Debug, Clone)]
pub struct HttpMail {
    pub client: reqwest::Client,
    pub url: String,
}

impl Delivery for HttpMail {
    async fn deliver(&self, id: &str, body: &[u8]) -> Result<(), EventError> {
        let request = self.client.post(&self.url).header("idempotency-key", id).body(body.to_vec());
        let response = request.send().await.map_err(|error| EventError::Failed(error.to_string()))?;
        match response.status().as_u16() {
            200..300 => Ok(()),
            400 | 422 => Err(EventError::Unreadable("the receiver cannot read it".to_owned())),
            status => Err(EventError::Failed(status.to_string())),
        }
    }
}
