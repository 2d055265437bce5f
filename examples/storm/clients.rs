//! The three clients. Nothing outside this file knows how they are made.

use std::error::Error as StdError;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::header::HeaderValue;
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Request, Response};
use tower::{Service, ServiceBuilder};
use windbreak::backoff::Backoff;
use windbreak::http::Http;
use windbreak::{BulkheadLayer, Circuit, Error, FallbackLayer, Faults, InvalidConfig, Stack};

/// What `reqwest` alone has.
pub(crate) const ALONE_TIMEOUT: Duration = Duration::from_secs(30);
/// What each attempt of the naive retry has. It may repeat a request twice.
pub(crate) const RETRYING_TIMEOUT: Duration = Duration::from_secs(1);
pub(crate) const RETRIES: usize = 2;

/// What a caller can wait. Three attempts that time out fill it.
pub(crate) const TOTAL_TIMEOUT: Duration = Duration::from_secs(1);
/// Ten times what a healthy server takes at its slowest, so that only a sick one exceeds it.
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(300);
/// Four times what is in flight in good times: 200 requests/s that take 20 ms each.
pub(crate) const BULKHEAD: usize = 16;
/// Bridges a burst. In a longer wait the caller is better served by the fallback.
const BULKHEAD_WAIT: Duration = Duration::from_millis(50);
/// Half a second of traffic: an outage is noticed within that, and a few unlucky calls are no outage.
const WINDOW: usize = 100;
/// While half of the responses are good, retries turn that into seven in eight: the server is still worth asking.
const FAILURE_RATIO: f64 = 0.75;
/// Where the pauses between attempts start; the naive retry has the same ones.
const PAUSES: Backoff = Backoff::exponential(Duration::from_millis(50));

/// Faults of the client in the stack. They stand below all layers.
pub(crate) type ClientFaults = Faults<Request, reqwest::Error>;

/// On top of what the storm does: one response in ten is late, and one in twenty never comes, whether the server was asked
/// or not.
pub(crate) fn start(faults: &ClientFaults) -> Result<(), InvalidConfig> {
    let late = Duration::from_millis(50)..=Duration::from_millis(500);
    faults.plan().delay(0.1, late).hang(0.025).lose_response(0.025).start()
}

/// Marks the responses that did not come from the server.
pub(crate) const FALLBACK_HEADER: &str = "x-fallback";

/// A client, and the handle of the circuit inside it.
pub(crate) struct Sheltered<S> {
    pub(crate) client: S,
    pub(crate) circuit: Circuit,
}

/// The usual layers around `reqwest`, in the order a request meets them.
pub(crate) fn sheltered(
    seed: u64,
    faults: &ClientFaults,
) -> Result<
    Sheltered<
        impl Service<Request, Response = Response, Error = Error<reqwest::Error>, Future: Send> + Clone + Send + use<>,
    >,
    Box<dyn StdError>,
> {
    let stack = Stack::http("storm")
        .total_timeout(TOTAL_TIMEOUT)
        .attempt_timeout(ATTEMPT_TIMEOUT)
        .retry(|retry| retry.backoff(PAUSES).seed(seed))
        .circuit(|circuit| circuit.count_window(WINDOW).failure_ratio(FAILURE_RATIO).minimum_span(Duration::ZERO))
        .with_bulkhead(BulkheadLayer::new(BULKHEAD)?.max_wait(BULKHEAD_WAIT))
        .build()?;
    let circuit = stack.circuit().expect("it was not left out").clone();

    let client = ServiceBuilder::new()
        .layer(FallbackLayer::function(|_| Ok(last_known_response()), Http))
        .layer(stack)
        .layer(faults.layer())
        .service(reqwest().build()?);
    Ok(Sheltered { client, circuit })
}

/// In a real program, from a cache.
fn last_known_response() -> Response {
    let mut response = hyper::Response::new("an hour old, but better than nothing");
    response.headers_mut().insert(FALLBACK_HEADER, HeaderValue::from_static("cache"));
    response.into()
}

/// `reqwest` as many programs have it: one timeout, long enough for everything.
pub(crate) fn alone() -> reqwest::Result<Client> {
    reqwest().timeout(ALONE_TIMEOUT).build()
}

/// `reqwest` in a loop, as it is often written: a short timeout, and what fails is tried twice more, after the same
/// jittered pauses as in the stack.
pub(crate) fn retrying(
    seed: u64,
) -> Result<
    impl Service<Request, Response = Response, Error = reqwest::Error, Future: Send> + Clone + Send,
    Box<dyn StdError>,
> {
    let client = reqwest().timeout(RETRYING_TIMEOUT).build()?;
    let seeds = Arc::new(AtomicU64::new(seed));
    Ok(tower::service_fn(move |request: Request| {
        let client = client.clone();
        let seed = seeds.fetch_add(1, Ordering::Relaxed);
        async move {
            let mut pauses = PAUSES.delays(seed).into_iter().flatten().take(RETRIES);
            loop {
                // A GET has no body, and can always be copied.
                let Some(copy) = request.try_clone() else { return client.execute(request).await };
                let result = client.execute(copy).await;
                let failed = result.as_ref().map_or(true, |response| response.status().is_server_error());
                match pauses.next() {
                    Some(pause) if failed => tokio::time::sleep(pause).await,
                    _ => return result,
                }
            }
        }
    }))
}

/// What the three have in common.
fn reqwest() -> ClientBuilder {
    Client::builder()
        // reqwest repeats HTTP/2 refusals and follows redirects by itself: below our retries and outside their budget.
        .retry(reqwest::retry::never())
        .redirect(Policy::none())
        // Whatever the environment says: nothing leaves this machine.
        .no_proxy()
}
