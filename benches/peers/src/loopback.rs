//! The contenders over a real client and real sockets: what their processor time is of the whole of a request.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustix::time::{ClockId, clock_gettime};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tower::{Service, ServiceExt};

use crate::harness::{Contender, Figures, Pace, race};
use crate::http::{Request, tower_three, windbreak_five};

pub const WORK: &str = "over loopback, 32 in flight";

/// How many requests are in flight at once, on one thread.
const IN_FLIGHT: u64 = 32;
const CALLS: u64 = 3_200;

type Connector = hyper_util::client::legacy::connect::HttpConnector;

/// Processor time of the calling thread, per request.
pub fn run(quick: bool) -> Vec<Figures> {
    let address = serve();
    let contenders = vec![
        contender("bare client", address, |client| client),
        contender("windbreak, five", address, windbreak_five),
        contender("tower, three", address, tower_three),
    ];
    race(contenders, Pace { rounds: if quick { 3 } else { 200 }, calls: CALLS })
}

/// A server on a thread of its own, for as long as the program runs.
fn serve() -> SocketAddr {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        runtime().block_on(async move {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("there is a free port");
            sender.send(listener.local_addr()).expect("it is waited for");
            while let Ok((stream, _)) = listener.accept().await {
                let respond = |_: http::Request<Incoming>| async {
                    Ok::<_, std::convert::Infallible>(http::Response::new(Full::new(Bytes::from_static(b"well"))))
                };
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(respond)));
            }
        });
    });
    receiver.recv().expect("the server starts").expect("a listener has an address")
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime needs nothing but memory")
}

fn contender<S>(
    name: &str,
    address: SocketAddr,
    wrap: impl FnOnce(Client<Connector, Full<Bytes>>) -> S,
) -> Contender<'static>
where
    S: Service<Request, Response = http::Response<Incoming>, Future: Send> + Clone + Send + 'static,
    S::Error: std::fmt::Debug + Send,
{
    let runtime = runtime();
    let service = wrap(Client::builder(TokioExecutor::new()).build_http());
    let run = move |calls| {
        let before = processor_time();
        runtime.block_on(call(&service, address, calls));
        processor_time().checked_sub(before)
    };
    Contender { name: name.to_owned(), run: Box::new(run) }
}

/// Makes the calls from as many tasks as there may be in flight.
async fn call<S>(service: &S, address: SocketAddr, calls: u64)
where
    S: Service<Request, Response = http::Response<Incoming>, Future: Send> + Clone + Send + 'static,
    S::Error: std::fmt::Debug + Send,
{
    let left = Arc::new(AtomicU64::new(calls));
    let mut tasks = JoinSet::new();
    for _ in 0..IN_FLIGHT {
        let (mut service, left) = (service.clone(), Arc::clone(&left));
        tasks.spawn(async move {
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                let request = http::Request::get(format!("http://{address}/orders/7")).body(Full::default());
                let request = request.expect("it is a valid request");
                let service = service.ready().await.expect("the client is always ready");
                let response = service.call(request).await.expect("the server responds");
                response.into_body().collect().await.expect("the body is whole");
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.expect("no task panics");
    }
}

/// How long this thread has run so far.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}
