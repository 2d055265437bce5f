//! A stack around the client of `hyper-util`, with a substitute response for when all else fails.
//!
//! `cargo run --example hyper`

use std::time::Duration;

use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower::{ServiceBuilder, ServiceExt};
use windbreak::http::Http;
use windbreak::{FallbackLayer, Stack};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(Duration::from_millis(500)));
    let client = Client::builder(TokioExecutor::new())
        .pool_idle_timeout(Duration::from_secs(30)) // below the keep-alive of the server
        .pool_timer(TokioTimer::new()) // without it, idle connections are not closed
        .build::<_, Empty<Bytes>>(connector);

    let stack = Stack::http("prices")
        .total_timeout(Duration::from_secs(3))
        .attempt_timeout(Duration::from_secs(1))
        .connect_timeout(Duration::from_millis(500))
        .bulkhead(16)
        .build()?;
    let prices = ServiceBuilder::new()
        // Around reads only: it would also step in for a failed order.
        .layer(FallbackLayer::function(|_| Ok(yesterdays_prices()), Http))
        .map_response(|response: Response<_>| response.map(BodyExt::boxed)) // one type for both responses
        .layer(stack)
        .service(client);

    // Nobody listens on this port.
    let request = Request::get("http://127.0.0.1:1/prices").body(Empty::new())?;
    let response = prices.oneshot(request).await?;
    let body = response.into_body().collect().await?.to_bytes();
    println!("prices: {}", String::from_utf8_lossy(&body));
    assert_eq!(body, "those of yesterday");
    Ok(())
}

fn yesterdays_prices() -> Response<BoxBody<Bytes, BoxError>> {
    Response::new(Full::from("those of yesterday").map_err(BoxError::from).boxed())
}
