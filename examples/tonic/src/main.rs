//! A circuit breaker, a bulkhead and a timeout around the channel of a gRPC client.
//!
//! `cargo run -p tonic-example`

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::transport::{self, Channel};
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tower::{Service, ServiceBuilder};
use windbreak::classify::{Classify, DefaultClassifier};
use windbreak::{BulkheadLayer, Circuit, CircuitBreakerLayer, Effect, Error, Failure, TimeoutLayer, Verdict};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let overloaded = Arc::new(AtomicBool::new(false));
    tokio::spawn(serve(listener, Arc::clone(&overloaded)));

    let channel =
        Channel::from_shared(format!("http://{address}"))?.connect_timeout(Duration::from_millis(500)).connect_lazy();
    let circuit = Circuit::builder("health").minimum_calls(3).build()?;
    let stack = ServiceBuilder::new()
        .layer(CircuitBreakerLayer::new(circuit.clone()).classify(grpc))
        .layer(BulkheadLayer::new(16)?)
        .layer(TimeoutLayer::new(Duration::from_secs(1)))
        .map_err(Error::Service)
        .service(channel);
    let mut client = HealthClient::new(stack);
    let ask = |service: &str| HealthCheckRequest { service: service.to_owned() };

    let answer = client.check(ask("")).await?;
    println!("well: {:?}", answer.get_ref().status());

    // The server is well and says no: that is nothing to open the circuit for.
    for _ in 0..10 {
        assert!(client.check(ask("nonesuch")).await.is_err_and(|status| status.code() == Code::NotFound));
    }
    println!("asked for what it does not know: the circuit is {}", circuit.state());
    assert!(client.check(ask("")).await.is_ok());

    overloaded.store(true, Ordering::Relaxed);
    loop {
        let Err(status) = client.check(ask("")).await else { return Err("nobody is answered".into()) };
        println!("overloaded: {status}");
        // What a layer says is the source of the status that tonic makes of it.
        if let Some(error) = status.source().and_then(|error| error.downcast_ref::<Error<transport::Error>>()) {
            assert!(error.is_circuit_open());
            break;
        }
        assert_eq!(status.code(), Code::Unavailable);
    }
    println!("the circuit is {}", circuit.state());
    Ok(())
}

/// What an answer says of the server. One without a message has its status in the head; of the others, only the end of
/// the body will tell.
fn grpc(result: Result<&http::Response<Body>, &Error<transport::Error>>) -> Verdict {
    let Ok(response) = result else { return DefaultClassifier.classify(result) };
    match Status::from_header_map(response.headers()).map_or(Code::Ok, |status| status.code()) {
        Code::Ok => Verdict::Success,
        Code::Unknown
        | Code::DeadlineExceeded
        | Code::ResourceExhausted
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => Verdict::Failure(Failure::new(Effect::Unknown)),
        _ => Verdict::Refused,
    }
}

/// A health server, which turns everybody away while it is overloaded.
async fn serve(listener: TcpListener, overloaded: Arc<AtomicBool>) -> std::io::Result<()> {
    let (_, health) = tonic_health::server::health_reporter();
    loop {
        let (stream, _) = listener.accept().await?;
        let (health, overloaded) = (health.clone(), Arc::clone(&overloaded));
        let service = service_fn(move |request| {
            let (mut health, overloaded) = (health.clone(), overloaded.load(Ordering::Relaxed));
            async move {
                if overloaded { Ok(Status::unavailable("overloaded").into_http()) } else { health.call(request).await }
            }
        });
        tokio::spawn(http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service));
    }
}
