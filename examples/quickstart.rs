//! A server that fails twice and then dies, and a client that copes: `cargo run --example quickstart`.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hyper::{StatusCode, server::conn::http1, service::service_fn};
use reqwest::{Client, Method, Request};
use tower::{ServiceBuilder, ServiceExt as _};
use windbreak::circuit_breaker::State;
use windbreak::{
    BulkheadLayer, Circuit, CircuitBreakerLayer, Error, RetryLayer, RetryPolicy, TimeoutLayer, http::Http,
};

static CALLS: AtomicU32 = AtomicU32::new(0);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url: reqwest::Url = format!("http://{}/", listener.local_addr()?).parse()?;
    let server = tokio::spawn(serve(listener));

    let circuit = Circuit::builder("greeter").minimum_calls(5).build()?;
    let client = ServiceBuilder::new()
        .layer(TimeoutLayer::new(Duration::from_secs(5))) // the whole request
        .layer(RetryLayer::new(RetryPolicy::http().max_attempts(3).build()?))
        .layer(CircuitBreakerLayer::new(circuit.clone()).classify(Http))
        .layer(BulkheadLayer::new(64)?)
        .layer(TimeoutLayer::new(Duration::from_secs(1))) // each attempt
        .map_err(Error::Service)
        .service(Client::builder().no_proxy().retry(reqwest::retry::never()).build()?); // the retries are ours
    let get = || client.clone().oneshot(Request::new(Method::GET, url.clone()));

    let response = get().await?;
    println!("{} after {} calls", response.status(), CALLS.load(Ordering::Relaxed));
    assert_eq!((response.status(), CALLS.load(Ordering::Relaxed)), (StatusCode::OK, 3));

    // Of the last five calls four have failed when the server is gone: the circuit opens, and ends the retries.
    server.abort();
    let _ = server.await;
    let error = get().await.expect_err("nobody listens");
    println!("{error}; ask again in {:.0?}", error.retry_after().unwrap_or_default());
    assert!(error.is_circuit_open() && circuit.state() == State::Open);
    Ok(())
}

/// Answers 503 twice before it finds its feet. Its connections end with it.
async fn serve(listener: tokio::net::TcpListener) -> std::io::Result<()> {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        let answer = service_fn(|_| async {
            let status = if CALLS.fetch_add(1, Ordering::Relaxed) < 2 { 503 } else { 200 };
            hyper::Response::builder().status(status).body(String::new())
        });
        connections.spawn(http1::Builder::new().serve_connection(hyper_util::rt::TokioIo::new(stream), answer));
    }
}
