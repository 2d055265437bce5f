//! An order that is safe to repeat, because it carries a key by which the server recognises it.
//!
//! `cargo run --example reqwest`

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tower::Layer;
use windbreak::http::Http;
use windbreak::http::idempotency_key::{IdempotencyKey, IdempotencyKeyLayer};
use windbreak::retry::Attempts;
use windbreak::stack::HttpStackService;
use windbreak::{InvalidConfig, Stack};

/// A stack whose requests get a key first: one key for all attempts.
type Orders = IdempotencyKey<HttpStackService<reqwest::Client>>;

fn orders(client: reqwest::Client) -> Result<Orders, InvalidConfig> {
    let stack = Stack::http("orders")
        // What this client says of a failure is about the request that it was given: it follows no redirects.
        .rules(Http::builder().without_redirects())
        .total_timeout(Duration::from_secs(10))
        .attempt_timeout(Duration::from_secs(3))
        .connect_timeout(Duration::from_secs(1))
        .build()?;
    Ok(IdempotencyKeyLayer::new().layer(stack.layer(client)))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/orders", listener.local_addr()?);
    tokio::spawn(serve(listener));

    let client = reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(1)) // below the attempt timeout of the stack
        .pool_idle_timeout(Duration::from_secs(30)) // below the keep-alive of the server
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never()) // the stack does that, within its budget
        .no_proxy()
        .build()?;
    let orders = orders(client.clone())?;

    let order = client.post(url).body("one pair of shoes").build()?;
    let response = tower::ServiceExt::oneshot(orders, order).await?;

    let attempts = response.extensions().get::<Attempts>().ok_or("it took one attempt")?;
    let reasons: Vec<_> = attempts.reasons().collect();
    println!("{} after {} attempts, because of {reasons:?}", response.status(), attempts.count());
    assert_eq!((response.status().as_u16(), attempts.count()), (200, 3));
    Ok(())
}

/// Responds with 500 twice, then with 200: enough of a server for an example.
async fn serve(listener: TcpListener) -> std::io::Result<()> {
    let (mut connection, _) = listener.accept().await?;
    for status in ["500 Internal Server Error", "500 Internal Server Error", "200 OK"] {
        let mut request = [0; 4096];
        let length = connection.read(&mut request).await?;
        let key = String::from_utf8_lossy(&request[..length]);
        let key = key.lines().find(|line| line.starts_with("idempotency-key")).unwrap_or("no key").to_owned();
        println!("server: {key}: {status}");
        connection.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").as_bytes()).await?;
    }
    Ok(())
}
