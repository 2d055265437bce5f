//! The clients that are compared, and what they are on simulated time. All call the same upstream, and get the same requests
//! at the same times.

use std::fmt;
use std::future::ready;
use std::time::Duration;

use http::{Request, Response};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::{sleep, timeout};
use tower::util::BoxCloneService;
use tower::{Layer as _, Service, ServiceExt as _};

use crate::ours::{stack, told};
use crate::peer::peer;
use crate::upstream::{Body, Failed, Fault, Faults, Order, Upstream};
use crate::variants::Variant;

/// A client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setup {
    /// The client alone, with a timeout of 30 s.
    Bare,
    /// Every failure, whatever it is, is tried again twice, 100 and 200 ms later (with jitter), 3 s each time.
    Naive,
    /// tower-resilience's layers.
    Peer,
    /// windbreak's stack, with no number of it changed; around reqwest, where sockets are real.
    Ours,
    /// The same around hyper's client. Only where sockets are real.
    OursOverHyper,
    /// Another stack, to be shown beside ours. Only on simulated time.
    Other(Variant),
}

/// Why a client got no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// The client's error.
    Failed,
    /// A timeout of its stack.
    TimedOut,
    /// Its stack would not send it, for a reason of its own: too much is in flight already.
    Full,
    /// Its stack would not send it, because it takes the upstream for down.
    Shut,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Failed => "failed",
            Self::TimedOut => "took too long",
            Self::Full => "too much is in flight",
            Self::Shut => "the upstream is taken for down",
        })
    }
}

impl std::error::Error for Told {}

pub(crate) type Client = BoxCloneService<Request<Order>, Response<Body>, Told>;

const BARE_TIMEOUT: Duration = Duration::from_secs(30);
pub(crate) const NAIVE_TIMEOUT: Duration = Duration::from_secs(3);
pub(crate) const NAIVE_RETRIES: u32 = 2;
pub(crate) const NAIVE_PAUSE: Duration = Duration::from_millis(100);

impl Setup {
    pub(crate) const SIMULATED: [Self; 4] = [Self::Bare, Self::Naive, Self::Peer, Self::Ours];
    pub(crate) const REAL: [Self; 5] = [Self::Bare, Self::Naive, Self::Peer, Self::Ours, Self::OursOverHyper];

    /// Whether the law holds for it.
    pub(crate) const fn is_ours(self) -> bool {
        matches!(self, Self::Ours | Self::OursOverHyper)
    }

    /// Whether it is shown, and no more.
    pub(crate) const fn is_other(self) -> bool {
        matches!(self, Self::Other(_))
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Naive => "naive",
            Self::Peer => "tower-resilience",
            Self::Ours => "windbreak",
            Self::OursOverHyper => "windbreak, hyper",
            Self::Other(variant) => variant.name(),
        }
    }

    /// The client, in front of `upstream`.
    ///
    /// # Panics
    ///
    /// If the numbers of the stack are not valid.
    pub(crate) fn client(self, upstream: Upstream, faults: &Faults, seed: u64) -> Client {
        match self {
            Self::Bare => bare(upstream, faults.clone(), BARE_TIMEOUT).map_err(|_| Told::Failed).boxed_clone(),
            Self::Naive => naive(bare(upstream, faults.clone(), NAIVE_TIMEOUT), seed).boxed_clone(),
            Self::Peer => {
                let client = upstream.map_err(|_| Told::Failed);
                let judged = client
                    .and_then(|response| ready(if has_failed(&response) { Err(Told::Failed) } else { Ok(response) }));
                peer(judged).expect("its numbers are valid")
            }
            Self::Other(variant) => variant.client(upstream, seed).expect("its numbers are valid"),
            Self::Ours | Self::OursOverHyper => {
                let ours = stack(seed).expect("its numbers are valid").layer(upstream);
                // The bodies are empty.
                ours.map_err(told).map_response(|response| response.map(|_| Body::new())).boxed_clone()
            }
        }
    }
}

fn bare(
    upstream: Upstream,
    faults: Faults,
    limit: Duration,
) -> impl Service<Request<Order>, Response = Response<Body>, Error = Failed, Future: Send> + Clone + Send {
    tower::service_fn(move |request| {
        let (upstream, faults) = (upstream.clone(), faults.clone());
        async move {
            let response = timeout(limit, upstream.oneshot(request)).await;
            response.unwrap_or_else(|_| Err(faults.error(Fault::TimedOut)))
        }
    })
}

fn naive<S>(
    client: S,
    seed: u64,
) -> impl Service<Request<Order>, Response = Response<Body>, Error = Told, Future: Send> + Clone + Send
where
    S: Service<Request<Order>, Response = Response<Body>, Error = Failed, Future: Send> + Clone + Send + Sync + 'static,
{
    tower::service_fn(move |request: Request<Order>| {
        let client = client.clone();
        let mut rng = SmallRng::seed_from_u64(seed ^ request.body().0);
        async move {
            let mut pause = NAIVE_PAUSE;
            for _ in 0..NAIVE_RETRIES {
                match client.clone().oneshot(request.clone()).await {
                    Ok(response) if !has_failed(&response) => return Ok(response),
                    _ => sleep(pause.mul_f64(rng.random_range(0.5..1.0))).await,
                }
                pause *= 2;
            }
            client.oneshot(request).await.map_err(|_| Told::Failed)
        }
    })
}

/// What the usual retry middleware tries again.
fn has_failed(response: &Response<Body>) -> bool {
    response.status().is_server_error() || response.status() == http::StatusCode::TOO_MANY_REQUESTS
}
