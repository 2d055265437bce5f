//! The same traffic through the same storm, twice: bare and behind a windbreak.
//!
//! Two identical HTTP servers on loopback go through one script: healthy, slow, half of their answers 503, refusing
//! connections, hanging, recovering, healthy again. Requests come at a fixed rate to each of them, through
//!
//! - a `reqwest::Client` as people have it, with a timeout of 30 s, and
//! - the same client inside a whole stack of windbreak's layers: [`shelter`] below is all there is to it.
//!
//! Each second a line tells how both are doing; at the end there are a table and a picture. It fails if the stack did
//! not protect its caller: if fewer requests were answered than without it, if more were in flight than its timeout and
//! its bulkhead allow, or if it did not find back to a server that is well again.
//!
//! ```text
//! cargo run --release --example storm
//! cargo run --release --example storm -- --quick
//! ```

mod picture;
mod report;
mod script;
mod server;
mod traffic;

use std::error::Error as StdError;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use reqwest::{Client, Request, Response, Url};
use tower::{Service, ServiceBuilder};
use windbreak::backoff::Backoff;
use windbreak::circuit_breaker::State;
use windbreak::http::Http;
use windbreak::{
    BulkheadLayer, Circuit, CircuitBreakerLayer, Error, FallbackLayer, InvalidConfig, RetryLayer, RetryPolicy,
    TimeoutLayer,
};

use crate::report::{Side, Storm};
use crate::script::Script;
use crate::server::Server;
use crate::traffic::Log;

/// How long a caller waits at the most, whatever happens.
const TOTAL_TIMEOUT: Duration = Duration::from_millis(500);
/// Ten times what a healthy server takes at its slowest, and there is still time for another attempt.
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(300);
/// Four times what is in flight in good times: 200 requests/s that take 20 ms each.
const BULKHEAD: usize = 16;
/// What the bare client has instead.
const REQWEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Marks the answers that did not come from the server.
const FALLBACK_HEADER: &str = "x-fallback";

/// The stack, in the order a request meets its layers.
fn shelter(
    client: Client,
    circuit: Circuit,
    seed: u64,
) -> Result<
    impl Service<Request, Response = Response, Error = Error<reqwest::Error>, Future: Send> + Clone + Send,
    InvalidConfig,
> {
    let retry = RetryPolicy::http().backoff(Backoff::exponential(Duration::from_millis(50))).seed(seed).build()?;

    Ok(ServiceBuilder::new()
        .layer(FallbackLayer::function(|_| Ok(last_known_answer())).classify(Http))
        .layer(TimeoutLayer::new(TOTAL_TIMEOUT))
        .layer(RetryLayer::new(retry))
        .layer(CircuitBreakerLayer::new(circuit).classify(Http))
        .layer(BulkheadLayer::new(BULKHEAD)?)
        .layer(TimeoutLayer::new(ATTEMPT_TIMEOUT))
        .map_err(Error::Service)
        .service(client))
}

/// Open means: the service is as good as gone. While half its answers are good it is still worth asking.
fn circuit() -> Result<Circuit, InvalidConfig> {
    Circuit::builder("storm").count_window(100).failure_ratio(0.75).open_for(Duration::from_millis(500)).build()
}

/// In a real program, from a cache.
fn last_known_answer() -> Response {
    let mut response = hyper::Response::new("an hour old, but better than nothing");
    response.headers_mut().insert(FALLBACK_HEADER, hyper::header::HeaderValue::from_static("cache"));
    response.into()
}

/// Sends the same traffic through the same storm, bare and behind a windbreak, and compares.
#[derive(Debug, Parser)]
struct Options {
    /// Play the script in 5 seconds instead of 20
    #[arg(long)]
    quick: bool,
    /// Requests a second, to each of the two servers; a healthy one can do 400
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(10..=400))]
    rate: u32,
    /// Where to draw the picture
    #[arg(long, value_name = "FILE", default_value = "target/storm/storm.svg")]
    out: PathBuf,
    /// Where chance starts: the servers' times and errors, the pauses between retries
    #[arg(long, default_value_t = 7)]
    seed: u64,
}

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn StdError>> {
    let options = Options::parse();
    // The bare client hoards connections, and both ends of each are in this process.
    rlimit::increase_nofile_limit(u64::from(options.rate) * 20)?;

    println!(
        "{} requests/s to each of two servers. The client is the same; alone it has a timeout of {REQWEST_TIMEOUT:?}.\n\
         ok: answered by the service; saved: by the fallback; waiting: in flight; calls: what reached the server.\n",
        options.rate
    );
    let storm = run(&options).await?;
    report::table(&storm);
    picture::draw(&options.out, &storm)?;
    println!("\npicture: {}", options.out.display());

    let complaints = storm.complaints();
    for complaint in &complaints {
        println!("NOT PROTECTED: {complaint}");
    }
    Ok(if complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn run(options: &Options) -> Result<Storm, Box<dyn StdError>> {
    // No proxy, whatever the environment says: nothing leaves this machine.
    let client = || Client::builder().timeout(REQWEST_TIMEOUT).no_proxy().build();
    let circuit = circuit()?;
    let bare_client = client()?;
    let sheltered_client = shelter(client()?, circuit.clone(), options.seed)?;

    let script = Script::start(Duration::from_secs(if options.quick { 5 } else { 20 }) / Script::STEPS);
    let side = || Server::start(script, options.seed).map(|server| Side { server, log: Log::new(script) });
    let (bare, sheltered) = (side()?, side()?);
    let (bare_url, sheltered_url) = (Url::parse(&bare.server.url())?, Url::parse(&sheltered.server.url())?);

    let rate = options.rate;
    let (late, late_too, (), states) = tokio::join!(
        traffic::send(bare_client, bare_url, rate, bare.log.clone(), TOTAL_TIMEOUT),
        traffic::send(sheltered_client, sheltered_url, rate, sheltered.log.clone(), TOTAL_TIMEOUT),
        report::progress(script, &bare, &sheltered, &circuit),
        watch(script, &circuit),
    );
    Ok(Storm { script, rate, late: late.max(late_too), bare: bare.observed(), sheltered: sheltered.observed(), states })
}

/// Every state of the circuit, and since when.
async fn watch(script: Script, circuit: &Circuit) -> Vec<(Duration, State)> {
    let mut states = circuit.subscribe();
    let mut seen = vec![(Duration::ZERO, *states.borrow_and_update())];
    loop {
        tokio::select! {
            _ = states.changed() => seen.push((script.now(), *states.borrow_and_update())),
            () = script.sleep_until(script.length()) => return seen,
        }
    }
}
