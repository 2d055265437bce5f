use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::{sleep, timeout};
use tower::util::BoxCloneService;
use tower::{Layer as _, ServiceBuilder, ServiceExt as _, service_fn};
use tower_resilience::bulkhead::BulkheadLayer;
use tower_resilience::circuitbreaker::CircuitBreakerLayer;
use tower_resilience::retry::RetryLayer;
use tower_resilience::timelimiter::TimeLimiterLayer;

use crate::ours::{stack, told};
use crate::setups::{NAIVE_PAUSE, NAIVE_RETRIES, NAIVE_TIMEOUT, Setup, Told};

/// What a client gets: whether it is a good response, read to its end.
pub(crate) type Client = BoxCloneService<Request<Bytes>, bool, Told>;

type Failure = Box<dyn Error + Send + Sync>;

/// Less than on simulated time: somebody waits for it.
const BARE_TIMEOUT: Duration = Duration::from_secs(10);

/// reqwest, as the docs say it is to be built.
fn reqwest_client() -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(1))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .build()
}

pub(crate) fn client(setup: Setup, seed: u64) -> Result<Client, Failure> {
    let client = reqwest_client()?;
    Ok(match setup {
        Setup::Bare => service_fn(move |request| {
            let client = client.clone();
            async move { timeout(BARE_TIMEOUT, ask(&client, request)).await.map_err(|_| Told::Failed)? }
        })
        .boxed_clone(),
        Setup::Naive => service_fn(move |request| naive(client.clone(), request)).boxed_clone(),
        Setup::Peer => peer(client)?,
        Setup::Ours => {
            let stack = stack(seed)?.layer(client);
            service_fn(move |request: Request<Bytes>| {
                let stack = stack.clone();
                async move {
                    let request = reqwest::Request::try_from(request).map_err(|_| Told::Failed)?;
                    read(stack.oneshot(request).await.map_err(told)?).await
                }
            })
            .boxed_clone()
        }
    })
}

/// Sends a request, and reads the response to its end.
async fn ask(client: &reqwest::Client, request: Request<Bytes>) -> Result<bool, Told> {
    let request = reqwest::Request::try_from(request).map_err(|_| Told::Failed)?;
    read(client.execute(request).await.map_err(|_| Told::Failed)?).await
}

async fn read(response: reqwest::Response) -> Result<bool, Told> {
    let is_good = response.status().is_success();
    response.bytes().await.map(|_| is_good).map_err(|_| Told::Failed)
}

async fn naive(client: reqwest::Client, request: Request<Bytes>) -> Result<bool, Told> {
    let attempt = || async { timeout(NAIVE_TIMEOUT, ask(&client, request.clone())).await.unwrap_or(Err(Told::Failed)) };
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

/// tower-resilience's breaker, retries, bulkhead and timeout, in the order of ours. It judges errors, so a response that is
/// not good is made one.
fn peer(client: reqwest::Client) -> Result<Client, Failure> {
    let attempt = service_fn(move |request| {
        let client = client.clone();
        async move { ask(&client, request).await.and_then(|good| if good { Ok(true) } else { Err(Told::Failed) }) }
    });
    let breaker = CircuitBreakerLayer::builder()
        .sliding_window_size(100)
        .failure_rate_threshold(0.5)
        .minimum_number_of_calls(20)
        .wait_duration_in_open(Duration::from_secs(5))
        .build()?;
    let stack = ServiceBuilder::new()
        .layer(TimeLimiterLayer::builder().timeout_duration(Duration::from_secs(10)).build())
        .layer(RetryLayer::builder().max_attempts(3).exponential_backoff(Duration::from_millis(100)).build())
        .layer(breaker)
        .layer(BulkheadLayer::builder().max_concurrent_calls(64).reject_when_full().build()?)
        .layer(TimeLimiterLayer::builder().timeout_duration(Duration::from_secs(3)).build())
        .service(attempt);
    // What it says is said in words: they tell why it would not send.
    Ok(stack
        .map_err(|error| match error.to_string() {
            words if words.contains("circuit") => Told::Shut,
            words if words.contains("bulkhead") => Told::Full,
            words if words.contains("timed out") => Told::TimedOut,
            _ => Told::Failed,
        })
        .boxed_clone())
}
