//! A stack around the methods of a gRPC client.
//!
//! `cargo run -p tonic-example`

mod grpc;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tonic::transport::Channel;
use tonic::{Code, Response, Status};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tower::Service;
use windbreak::rules::Idempotency;
use windbreak::{Error, Stack};

use crate::grpc::{Grpc, status};

/// A client whose methods are those of the generated one.
#[derive(Clone)]
struct Health {
    client: HealthClient<Channel>,
    /// For methods that only read. Those that do not have another stack with the same circuit.
    reads: Stack<Grpc>,
}

impl Health {
    fn new(channel: Channel) -> Result<Self, windbreak::InvalidConfig> {
        let reads = Stack::new("health", Grpc { idempotency: Idempotency::Safe })
            .total_timeout(Duration::from_secs(3))
            .attempt_timeout(Duration::from_secs(1))
            .build()?;
        Ok(Self { client: HealthClient::new(channel), reads })
    }

    async fn check(&self, service: &str) -> Result<Response<HealthCheckResponse>, Error<Status>> {
        let request = HealthCheckRequest { service: service.to_owned() };
        self.reads
            .call(|| {
                let (mut client, request) = (self.client.clone(), request.clone());
                async move { client.check(request).await }
            })
            .await
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let refusals = Arc::new(AtomicU32::new(0));
    tokio::spawn(serve(listener, Arc::clone(&refusals)));

    let channel =
        Channel::from_shared(format!("http://{address}"))?.connect_timeout(Duration::from_millis(500)).connect_lazy();
    let health = Health::new(channel)?;
    let circuit = health.reads.circuit().expect("it was not left out").clone();

    // The server is overloaded for a moment: the call is repeated.
    refusals.store(2, Ordering::Relaxed);
    let response = health.check("").await?;
    println!("well, after two refusals: {:?}", response.get_ref().status());

    // The server is well and declines: that neither opens the circuit nor is it repeated.
    for _ in 0..30 {
        let error = health.check("nonesuch").await.expect_err("it does not know that one");
        assert!(error.attempts().is_none() && status(error).code() == Code::NotFound);
    }
    println!("asked for what it does not know: the circuit is {}", circuit.state());
    assert!(health.check("").await.is_ok());

    // The server is overloaded for good: the circuit opens, and callers get `UNAVAILABLE` at once.
    refusals.store(u32::MAX, Ordering::Relaxed);
    let error = loop {
        let error = health.check("").await.expect_err("it refuses");
        if error.is_circuit_open() {
            break error;
        }
    };
    println!("overloaded: the circuit is {}", circuit.state());
    let status = status(error);
    println!("{status}");
    assert_eq!(status.code(), Code::Unavailable);
    Ok(())
}

/// A health server, which refuses as many calls as it is told to.
async fn serve(listener: TcpListener, refusals: Arc<AtomicU32>) -> std::io::Result<()> {
    let (_, health) = tonic_health::server::health_reporter();
    loop {
        let (stream, _) = listener.accept().await?;
        let (health, refusals) = (health.clone(), Arc::clone(&refusals));
        let service = service_fn(move |request| {
            let mut health = health.clone();
            let refuses =
                refusals.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
            async move {
                if refuses { Ok(Status::unavailable("overloaded").into_http()) } else { health.call(request).await }
            }
        });
        tokio::spawn(http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service));
    }
}
