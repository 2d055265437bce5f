//! The standard stack around `reqwest`: an order that is safe to repeat because it carries a key.
//!
//! `cargo run --example reqwest`

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tower::{ServiceBuilder, ServiceExt};
use windbreak::Error;
use windbreak::http::Standard;
use windbreak::http::idempotency_key::IdempotencyKeyLayer;
use windbreak::retry::Attempts;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/orders", listener.local_addr()?);
    tokio::spawn(serve(listener));

    let client = reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(1)) // below the attempt timeout of the stack
        .pool_idle_timeout(Duration::from_secs(30)) // below the keep-alive of the server
        .retry(reqwest::retry::never()) // or it sends what HTTP/2 servers refuse three times, below our retries
        .build()?;
    let orders = ServiceBuilder::new()
        .layer(IdempotencyKeyLayer::new()) // outside the retries: one key for all attempts
        .layer(Standard::builder("orders").build()?)
        .map_err(Error::Service)
        .service(client.clone());

    let order = client.post(url).body("one pair of shoes").build()?;
    let response = orders.oneshot(order).await?;

    let attempts = response.extensions().get::<Attempts>().cloned().unwrap_or_default();
    println!("{} after {} attempts, because of {:?}", response.status(), attempts.count(), attempts.reasons);
    assert_eq!((response.status().as_u16(), attempts.count()), (200, 3));
    Ok(())
}

/// Answers 500 twice, then 200: enough of a server for an example.
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
