//! A server that fails twice and then dies, and a client that copes: `cargo run --example quickstart`.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hyper::{StatusCode, server::conn::http1, service::service_fn};
use tower::Layer as _;
use windbreak::Stack;
use windbreak::circuit_breaker::State;

static CALLS: AtomicU32 = AtomicU32::new(0);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/", listener.local_addr()?);
    let server = tokio::spawn(serve(listener));

    let stack = Stack::http("greeter")
        .total_timeout(Duration::from_secs(5)) // the whole request, with the body of its response
        .attempt_timeout(Duration::from_secs(1)) // each attempt
        .build()?;
    let http = reqwest::Client::builder().retry(reqwest::retry::never()).no_proxy().build()?;
    let client = stack.layer(http.clone());

    let response = client.run(http.get(&url).build()?).await?;
    println!("{} after {} calls", response.status(), CALLS.load(Ordering::Relaxed));
    assert_eq!((response.status(), CALLS.load(Ordering::Relaxed)), (StatusCode::OK, 3));

    // Nobody listens any more. The circuit opens when nothing has succeeded for a while.
    server.abort();
    let _ = server.await;
    let error = loop {
        let error = client.run(http.get(&url).build()?).await.expect_err("nobody listens");
        if error.is_circuit_open() {
            break error;
        }
    };
    println!("{error}; ask again in {:.1?}", error.retry_after().unwrap_or_default());
    assert_eq!(stack.circuit().expect("it was not left out").state(), State::Open);
    Ok(())
}

/// Responds with 503 twice, then with 200. Its connections end with it.
async fn serve(listener: tokio::net::TcpListener) -> std::io::Result<()> {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        let respond = service_fn(|_| async {
            let status = if CALLS.fetch_add(1, Ordering::Relaxed) < 2 { 503 } else { 200 };
            hyper::Response::builder().status(status).body(String::new())
        });
        connections.spawn(http1::Builder::new().serve_connection(hyper_util::rt::TokioIo::new(stream), respond));
    }
}
