use std::error::Error;
use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::{sleep, timeout};
use tower::util::BoxCloneService;
use tower::{Layer as _, Service, ServiceExt as _, service_fn};

use super::ledger::Ledger;
use crate::ours::{stack, told};
use crate::peer::peer;
use crate::setups::{NAIVE_PAUSE, NAIVE_RETRIES, NAIVE_TIMEOUT, Setup, Told};

/// What a client gets: whether it is a good response, read to its end.
pub(super) type Client = BoxCloneService<Request<Bytes>, bool, Told>;

type Failure = Box<dyn Error + Send + Sync>;

/// What a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    /// With keep-alive pings.
    Http2,
    /// Without them, as clients are by default.
    Http2Unpinged,
}

/// Less than on simulated time: somebody waits for it.
const BARE_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// A connection that says nothing for so long is asked, and is dead if it does not answer within as much.
const PING: Duration = Duration::from_secs(1);

/// reqwest, as the docs say it is to be built.
fn reqwest_client(protocol: Protocol, ledger: &Arc<Ledger>) -> Result<Counted<reqwest::Client>, reqwest::Error> {
    let mut builder = reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy();
    if protocol != Protocol::Http1 {
        builder = builder.http2_prior_knowledge();
    }
    if protocol == Protocol::Http2 {
        builder =
            builder.http2_keep_alive_interval(PING).http2_keep_alive_timeout(PING).http2_keep_alive_while_idle(true);
    }
    Ok(Counted { inner: builder.build()?, ledger: Arc::clone(ledger) })
}

/// hyper-util's client, as the docs say it is to be built.
fn hyper_client(protocol: Protocol, ledger: &Arc<Ledger>) -> Counted<Pool<HttpConnector, Full<Bytes>>> {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    connector.set_nodelay(true);
    let mut builder = Pool::builder(TokioExecutor::new());
    builder.pool_timer(TokioTimer::new()).timer(TokioTimer::new()).http2_only(protocol != Protocol::Http1);
    if protocol == Protocol::Http2 {
        builder.http2_keep_alive_interval(PING).http2_keep_alive_timeout(PING).http2_keep_alive_while_idle(true);
    }
    Counted { inner: builder.build(connector), ledger: Arc::clone(ledger) }
}

/// A client whose calls are the attempts that are counted.
#[derive(Clone)]
struct Counted<S> {
    inner: S,
    ledger: Arc<Ledger>,
}

impl<S, R> Service<R> for Counted<S>
where
    S: Service<R, Response: Send, Error: Send, Future: Send + 'static>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let visit = self.ledger.enter();
        let response = self.inner.call(request);
        Box::pin(async move {
            let _visit = visit;
            response.await
        })
    }
}

pub(super) fn client(setup: Setup, protocol: Protocol, ledger: &Arc<Ledger>, seed: u64) -> Result<Client, Failure> {
    let connect = || reqwest_client(protocol, ledger);
    Ok(match setup {
        Setup::Bare => {
            let client = connect()?;
            service_fn(move |request| {
                let client = client.clone();
                async move { timeout(BARE_TIMEOUT, ask(client, request)).await.map_err(|_| Told::Failed)? }
            })
            .boxed_clone()
        }
        Setup::Naive => {
            let client = connect()?;
            service_fn(move |request| naive(client.clone(), request)).boxed_clone()
        }
        Setup::Peer => {
            let client = connect()?;
            let client = service_fn(move |request| ask(client.clone(), request));
            peer(client.and_then(|is_good| ready(if is_good { Ok(true) } else { Err(Told::Failed) })))?
        }
        Setup::Ours => {
            let stack = stack(seed)?.layer(connect()?);
            service_fn(move |request: Request<Bytes>| {
                let stack = stack.clone();
                async move {
                    let request = reqwest::Request::try_from(request).map_err(|_| Told::Failed)?;
                    read(stack.oneshot(request).await.map_err(told)?.into()).await
                }
            })
            .boxed_clone()
        }
        Setup::Other(_) => return Err("variants are played on simulated time only".into()),
        Setup::OursOverHyper => {
            let stack = stack(seed)?.layer(hyper_client(protocol, ledger));
            service_fn(move |request: Request<Bytes>| {
                let stack = stack.clone();
                async move { read(stack.oneshot(request.map(Full::new)).await.map_err(told)?).await }
            })
            .boxed_clone()
        }
    })
}

/// Sends a request, and reads the response to its end.
async fn ask(client: Counted<reqwest::Client>, request: Request<Bytes>) -> Result<bool, Told> {
    let request = reqwest::Request::try_from(request).map_err(|_| Told::Failed)?;
    read(client.oneshot(request).await.map_err(|_| Told::Failed)?.into()).await
}

async fn read<B: http_body::Body>(response: Response<B>) -> Result<bool, Told> {
    let is_good = response.status().is_success();
    response.into_body().collect().await.map(|_| is_good).map_err(|_| Told::Failed)
}

async fn naive(client: Counted<reqwest::Client>, request: Request<Bytes>) -> Result<bool, Told> {
    let attempt =
        || async { timeout(NAIVE_TIMEOUT, ask(client.clone(), request.clone())).await.unwrap_or(Err(Told::Failed)) };
    let id = request.headers().get("x-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let mut rng = SmallRng::seed_from_u64(id.unwrap_or(0));
    let mut pause = NAIVE_PAUSE;
    for _ in 0..NAIVE_RETRIES {
        if let Ok(true) = attempt().await {
            return Ok(true);
        }
        sleep(pause.mul_f64(rng.random_range(0.5..1.0))).await;
        pause *= 2;
    }
    attempt().await
}
