//! The client of one provider: reqwest, with the receipt decoded below all layers, and the means to ask and to void.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use http_body_util::Full;
use reqwest::{Request, Url};
use windbreak::Verified;
use windbreak::verify::Failed;

use super::fault::{FAULTS, Fault, Purpose, Weather};
use super::provider::X_FAULT;
use crate::support::http::{Version, direct_client};

type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// A response whose body was read, and decoded where it is a receipt.
pub(super) type Reply = Response<Full<Bytes>>;

pub(super) const X_RESEND: &str = "x-resend";

/// Why there is no response.
#[derive(Debug)]
pub(super) enum GatewayError {
    Client(reqwest::Error),
    Undecodable(serde_json::Error),
}

impl fmt::Display for GatewayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client(_) => "no response",
            Self::Undecodable(_) => "the response is no receipt",
        })
    }
}

impl std::error::Error for GatewayError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(match self {
            Self::Client(error) => error,
            Self::Undecodable(error) => error,
        })
    }
}

impl From<reqwest::Error> for GatewayError {
    fn from(error: reqwest::Error) -> Self {
        Self::Client(error)
    }
}

/// A response, and the order that it is about.
struct Decoded {
    reply: Reply,
    order: Option<u64>,
}

#[derive(Clone)]
pub(super) struct Gateway {
    pub(super) provider: usize,
    client: reqwest::Client,
    address: SocketAddr,
    dead: SocketAddr,
    weather: Arc<Weather>,
}

/// The number of the order in `/orders/7` and the like.
pub(super) fn order_of(request: &Request) -> usize {
    let number = request.url().path().rsplit('/').next();
    number.and_then(|number| number.parse().ok()).expect("each request names an order")
}

impl Gateway {
    pub(super) fn new(provider: usize, address: SocketAddr, dead: SocketAddr, weather: &Arc<Weather>) -> Self {
        Self { provider, client: direct_client(Version::Http1), address, dead, weather: Arc::clone(weather) }
    }

    pub(super) async fn send(self, request: Request) -> Result<Reply, GatewayError> {
        let resends = request.headers().get(X_RESEND).map_or(0, |count| {
            count.to_str().ok().and_then(|count| count.parse().ok()).expect("the number of an attempt")
        });
        self.exchange(request, Purpose::Order, resends).await.map(|decoded| decoded.reply)
    }

    async fn exchange(&self, mut request: Request, purpose: Purpose, number: usize) -> Result<Decoded, GatewayError> {
        let fault = self.weather.draw(self.provider, order_of(&request), purpose, number);
        let address = if FAULTS[fault] == Fault::Refused { self.dead } else { self.address };
        request.url_mut().set_port(Some(address.port())).expect("HTTP has ports");
        request.headers_mut().insert(X_FAULT, fault.into());
        let response = self.client.execute(request).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await?;
        let order = if status.is_success() || matches!(status, StatusCode::PAYMENT_REQUIRED | StatusCode::GONE) {
            let receipt: serde_json::Value = serde_json::from_slice(&body).map_err(GatewayError::Undecodable)?;
            receipt["order"].as_u64()
        } else {
            None
        };
        let mut reply = Response::new(Full::from(body));
        (*reply.status_mut(), *reply.headers_mut()) = (status, headers);
        Ok(Decoded { reply, order })
    }

    /// Asks what became of an order.
    pub(super) async fn find(self, request: Request, failed: Failed) -> Result<Verified<Reply>, BoxError> {
        let order = order_of(&request);
        let question = about(Method::GET, "orders", order);
        let Decoded { reply, order: found } =
            self.exchange(question, Purpose::Question, failed.asked_before as usize).await?;
        if found.is_some_and(|found| found != order as u64) {
            // Somebody else's receipt says nothing of this order.
            return Ok(Verified::Unknown);
        }
        match reply.status() {
            StatusCode::OK | StatusCode::PAYMENT_REQUIRED => Ok(Verified::Applied(reply)),
            StatusCode::ACCEPTED => Ok(Verified::in_progress(None)),
            // It was voided, so whatever arrives later is refused.
            StatusCode::GONE => Ok(Verified::NotApplied),
            // Not found is not "will not apply".
            StatusCode::NOT_FOUND => Ok(Verified::Unknown),
            status => Err(format!("the question got a {status}").into()),
        }
    }

    pub(super) async fn void(self, request: Request) -> Result<(), BoxError> {
        let void = about(Method::POST, "voids", order_of(&request));
        match self.exchange(void, Purpose::Void, 0).await?.reply.status() {
            StatusCode::OK => Ok(()),
            status => Err(format!("the void got a {status}").into()),
        }
    }
}

/// Where it goes to, the gateway says.
pub(super) fn about(method: Method, what: &str, order: usize) -> Request {
    let url = format!("http://127.0.0.1/{what}/{order}");
    Request::new(method, Url::parse(&url).expect("it is a URL"))
}
