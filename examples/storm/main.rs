//! The same traffic through the same storm, three times: bare, with a naive retry, and behind a windbreak.
//!
//! Three identical HTTP servers on loopback go through one script: healthy, slow, half of their responses 503, refusing
//! connections, hanging, recovering, healthy again. Requests come at a fixed rate to each of them, through
//!
//! - a `reqwest::Client` as many programs have it, with a timeout of 30 s,
//! - the same client with a timeout of 1 s and a loop that tries twice more, as it is often written, and
//! - the same client inside a whole stack of windbreak's layers: see `clients.rs`.
//!
//! The stack ends in a fallback, which the others lack. Anyone could put one around them: so real responses and those
//! of the fallback are counted apart, and so are their latencies.
//!
//! At the end there are the conclusion, a table and a picture. The storm fails if the stack did not protect its caller:
//! if fewer requests got a response than without it, if more were in flight than its timeout and its bulkhead allow, or
//! if it did not find back to a server that is well again.
//!
//! ```text
//! cargo run --release --example storm
//! cargo run --release --example storm -- --quick
//! cargo run --release --example storm -- --out docs/storm.svg   # the picture in the README
//! cargo run --release --example storm -- --faults               # the client in the stack fails on purpose as well
//! cargo test --example storm                                    # what can be tested without a storm
//! ```

mod clients;
mod conclusion;
mod exchange;
mod observed;
mod picture;
mod report;
mod script;
mod server;
mod svg;
mod traffic;

use std::error::Error as StdError;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use reqwest::Url;
use windbreak::Circuit;
use windbreak::circuit_breaker::State;

use crate::clients::{ClientFaults, Sheltered, TOTAL_TIMEOUT};
use crate::observed::{Side, Storm};
use crate::script::Script;
use crate::server::Server;
use crate::traffic::Log;

/// Sends the same traffic through the same storm, bare, with a naive retry, and behind a windbreak, and compares.
#[derive(Debug, Parser)]
struct Options {
    /// Play the script in 10 seconds instead of 20
    #[arg(long)]
    quick: bool,
    /// Requests a second, to each of the three servers; a healthy one can do 400
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(10..=400))]
    rate: u32,
    /// Where to draw the picture
    #[arg(long, value_name = "FILE", default_value = "target/storm/storm.svg")]
    out: PathBuf,
    /// Where chance starts: the servers' times and errors, the pauses between retries
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Let the client in the stack, and only that, delay, hang and lose responses on purpose
    #[arg(long)]
    faults: bool,
}

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn StdError>> {
    let options = Options::parse();
    // The bare client hoards connections, and both ends of each are in this process.
    rlimit::increase_nofile_limit(u64::from(options.rate) * 30)?;

    let storm = run(&options).await?;
    report::print(&storm);
    picture::draw(&options.out, &storm)?;
    println!("\npicture: {}", options.out.display());

    let complaints = storm.complaints();
    for complaint in &complaints {
        println!("NOT PROTECTED: {complaint}");
    }
    Ok(if complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn run(options: &Options) -> Result<Storm, Box<dyn StdError>> {
    let (alone_client, retrying_client) = (clients::alone()?, clients::retrying(options.seed)?);
    let faults = ClientFaults::new().seed(options.seed);
    let Sheltered { client: sheltered_client, circuit } = clients::sheltered(options.seed, &faults)?;
    if options.faults {
        clients::start(&faults)?;
    }

    let script = Script::start(Duration::from_secs(if options.quick { 10 } else { 20 }) / Script::STEPS);
    let side = || Server::start(script, options.seed).map(|server| Side { server, log: Log::new(script) });
    let (alone, retrying, sheltered) = (side()?, side()?, side()?);
    let url = |side: &Side| Url::parse(&side.server.url());

    let rate = options.rate;
    let (late, late_too, late_as_well, (), states) = tokio::join!(
        traffic::send(alone_client, url(&alone)?, rate, alone.log.clone(), TOTAL_TIMEOUT),
        traffic::send(retrying_client, url(&retrying)?, rate, retrying.log.clone(), TOTAL_TIMEOUT),
        traffic::send(sheltered_client, url(&sheltered)?, rate, sheltered.log.clone(), TOTAL_TIMEOUT),
        report::progress(script, [&alone, &retrying, &sheltered], &circuit),
        watch(script, &circuit),
    );
    if options.faults {
        println!("\nfaults on purpose in the stack's client: {:?}", faults.counts());
    }
    let late = late.max(late_too).max(late_as_well);
    let [alone, retrying, sheltered] = [alone, retrying, sheltered].map(|side| side.observed());
    Ok(Storm { script, rate, late, alone, retrying, sheltered, states })
}

/// Every state of the circuit, and since when.
async fn watch(script: Script, circuit: &Circuit) -> Vec<(Duration, State)> {
    let mut states = circuit.subscribe();
    let mut seen = vec![(Duration::ZERO, states.state())];
    loop {
        tokio::select! {
            Some(state) = states.changed() => seen.push((script.now(), state)),
            () = script.sleep_until(script.length()) => return seen,
        }
    }
}
