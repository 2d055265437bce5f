use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::ledger::Ledger;
use super::listen::{Listening, listen};
use super::server::{BODY, WORK, until_next};
use crate::upstream::Schedule;

/// A server of HTTP/2 on loopback. As often as `reload` it tells all its connections to go away once what they carry is
/// done; by `down` it dies with all that it has, and comes back.
pub(super) async fn server(
    reload: Option<Duration>,
    down: Option<Schedule>,
    ledger: Arc<Ledger>,
) -> io::Result<Listening> {
    listen(down, Arc::clone(&ledger), move |stream| {
        let ledger = Arc::clone(&ledger);
        // A client that goes is no error of the server's.
        async move { drop(serve(stream, reload, ledger).await) }
    })
    .await
}

async fn serve(stream: TcpStream, reload: Option<Duration>, ledger: Arc<Ledger>) -> hyper::Result<()> {
    let until_reload = reload.map(|period| until_next(period, ledger.now()));
    let service = service_fn(move |request| respond(request, Arc::clone(&ledger)));
    let mut connection =
        pin!(http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service));
    if let Some(left) = until_reload {
        tokio::select! {
            ended = connection.as_mut() => return ended,
            () = sleep(left) => connection.as_mut().graceful_shutdown(),
        }
    }
    connection.await
}

async fn respond(request: Request<Incoming>, ledger: Arc<Ledger>) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.method() == Method::POST {
        ledger.act(id(request.headers()), request.headers().contains_key("idempotency-key"));
    }
    sleep(WORK).await;
    Ok(Response::new(Full::from(BODY)))
}

fn id(headers: &HeaderMap) -> u64 {
    headers.get("x-id").and_then(|id| id.to_str().ok()?.parse().ok()).unwrap_or(0)
}
