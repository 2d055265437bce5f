//! Serves requests over sockets of this machine, by a function that may also break the connection.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::provider::Broken;

/// How soon a change of `is_open` is noticed.
const LOOK: Duration = Duration::from_millis(20);

/// Serves while `is_open` says so. While it does not, connections are refused, and those that stand are closed.
pub async fn serve<F, Fut>(listener: TcpListener, is_open: impl Fn() -> bool, handle: F) -> io::Result<()>
where
    F: Fn(Request<Bytes>) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Result<Response<Bytes>, Broken>> + Send + 'static,
{
    let address = listener.local_addr()?;
    let mut listener = Some(listener);
    let mut connections = JoinSet::new();
    loop {
        if !is_open() {
            listener = None;
            connections.abort_all();
            sleep(LOOK).await;
            continue;
        }
        let accepting = match &listener {
            Some(listener) => listener,
            None => listener.insert(bind(address).await?),
        };
        tokio::select! {
            accepted = accepting.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let handle = handle.clone();
                connections.spawn(async move {
                    let service = service_fn(move |request| respond(handle.clone(), request));
                    // It ends with an error where the function broke it.
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            () = sleep(LOOK) => {}
        }
    }
}

/// The port may still be taken for a moment by connections that are being closed.
async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let mut tries = 0;
    loop {
        match TcpListener::bind(address).await {
            Err(error) if tries == 50 => return Err(error),
            Err(_) => tries += 1,
            listener => return listener,
        }
        sleep(LOOK).await;
    }
}

async fn respond<F, Fut>(handle: F, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, io::Error>
where
    F: Fn(Request<Bytes>) -> Fut,
    Fut: Future<Output = Result<Response<Bytes>, Broken>>,
{
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let response = handle(Request::from_parts(head, body)).await;
    response.map(|response| response.map(Full::new)).map_err(|Broken| io::Error::other("broken on purpose"))
}

/// A listener on loopback, at a port that the system chooses.
pub async fn listener() -> io::Result<TcpListener> {
    TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await
}

/// Where a listener can be reached.
pub fn url(listener: &TcpListener) -> io::Result<String> {
    Ok(format!("http://{}", listener.local_addr()?))
}
