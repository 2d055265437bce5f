//! First, do no harm: a stack is never worse than no stack.
//!
//! Model upstreams fail in the ways that services do, on simulated time; the client alone, a naive retry and windbreak's
//! stack meet them with the same requests. A table shows what each came to. The exit code says whether the law holds:
//! every clause of it is in `law.rs`, and each violation is printed as a sentence.
//!
//! ```text
//! cargo run --release -p lab
//! cargo run --release -p lab -- --real
//! cargo run --release -p lab -- --scenario errors-20% --seeds 20 --pictures target/lab
//! ```

mod figures;
mod law;
mod load;
mod ours;
mod peer;
mod picture;
mod real;
mod report;
mod run;
mod scenario;
mod setups;
mod upstream;
mod variants;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use clap::Parser;
use tokio::time::Instant;

use figures::Figures;
use law::{Row, Violation, violations, violations_by};
use scenario::Scenario;
use setups::Setup;
use upstream::Faults;
use variants::Variant;

/// Plays every scenario with every client, and holds the law.
#[derive(Debug, Parser)]
struct Arguments {
    /// Only the scenarios of this name; or one of them, as in `errors-20%@100`.
    #[arg(long)]
    scenario: Vec<String>,
    /// How often each is played, each time with other requests. What has thousands of requests is played a quarter as
    /// often, and tower-resilience plays an eighth as often as the others.
    #[arg(long, default_value_t = 20)]
    seeds: u32,
    /// How many threads play.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Writes all figures there, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Writes the matrix there, as a page.
    #[arg(long)]
    markdown: Option<PathBuf>,
    /// Plays over sockets, in real time, instead.
    #[arg(long)]
    real: bool,
    /// Plays another stack too, on simulated time. The exit code does not depend on it.
    #[arg(long, conflicts_with = "real")]
    variant: Option<Variant>,
    /// Draws each scenario there.
    #[arg(long)]
    pictures: Option<PathBuf>,
}

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<ExitCode, Failure> {
    let arguments = Arguments::parse();
    let start = Instant::now();
    let (rows, seeds) =
        if arguments.real { (over_sockets(&arguments)?, 1) } else { (simulated(&arguments)?, arguments.seeds) };
    let took = start.elapsed();

    print!("{}", report::table(&rows));
    if arguments.real || !arguments.scenario.is_empty() {
        print!("\n{}", report::details(&rows));
    }
    if let Some(path) = &arguments.json {
        std::fs::write(path, format!("{:#}\n", report::json(&rows, seeds)))?;
    }
    if let Some(path) = &arguments.markdown {
        let page = if arguments.real { report::real_page(&rows) } else { report::page(&rows, seeds) };
        std::fs::write(path, page)?;
    }
    Ok(judge(&rows, seeds, took.as_secs_f64()))
}

impl Arguments {
    fn has_chosen(&self, scenario: &Scenario) -> bool {
        self.scenario.is_empty() || self.scenario.iter().any(|name| scenario.is_named(name))
    }

    /// Those that play on simulated time.
    fn setups(&self) -> impl Iterator<Item = Setup> + use<> {
        Setup::SIMULATED.into_iter().chain(self.variant.map(Setup::Other))
    }

    fn no_such_scenario(&self) -> Failure {
        format!("no scenario is named {:?}", self.scenario).into()
    }
}

fn simulated(arguments: &Arguments) -> Result<Vec<Row>, Failure> {
    let faults = tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(Faults::provoke())?;
    let scenarios: Vec<_> = scenario::all().into_iter().filter(|scenario| arguments.has_chosen(scenario)).collect();
    if scenarios.is_empty() {
        return Err(arguments.no_such_scenario());
    }
    let rows = play(scenarios, arguments, &faults);
    if let Some(folder) = &arguments.pictures {
        for row in &rows {
            let first = |setup: Setup| (setup, run::run(&row.scenario, setup, 0, &faults));
            picture::draw(folder, &row.scenario, &arguments.setups().map(first).collect::<Vec<_>>())
                .map_err(|error| error.to_string())?;
        }
    }
    Ok(rows)
}

fn over_sockets(arguments: &Arguments) -> Result<Vec<Row>, Failure> {
    let rows = real::rows(|scenario| arguments.has_chosen(scenario), arguments.pictures.as_deref())?;
    if rows.is_empty() { Err(arguments.no_such_scenario()) } else { Ok(rows) }
}

/// Says which clauses are broken, and where.
fn judge(rows: &[Row], seeds: u32, seconds: f64) -> ExitCode {
    let broken: Vec<_> = rows.iter().flat_map(violations).collect();
    if !broken.is_empty() {
        println!();
    }
    for violation in &broken {
        println!("{violation}");
    }
    println!("\n{} scenarios, {seeds} seeds, {seconds:.1} s: {} violations", rows.len(), broken.len());
    count_clauses(&broken);
    if let Some((variant, _)) = rows.iter().flat_map(|row| &row.figures).find(|(setup, _)| setup.is_other()) {
        let broken: Vec<_> = rows.iter().flat_map(|row| violations_by(row, Setup::is_other)).collect();
        println!("the variant ({}): {} violations", variant.name(), broken.len());
        count_clauses(&broken);
    }
    if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn count_clauses(broken: &[Violation]) {
    let mut clauses = BTreeMap::<_, u32>::new();
    for violation in broken {
        *clauses.entry(violation.clause).or_default() += 1;
    }
    for (clause, times) in clauses {
        println!("  {clause}: {times}");
    }
}

/// How often a client plays a scenario. One run of many requests says as much as several of few, and takes as long; and the
/// law does not look at what the peer does.
fn times(scenario: &Scenario, setup: Setup, seeds: u32) -> u32 {
    let times = if scenario.requests() < MANY_REQUESTS { seeds } else { seeds.div_ceil(4) };
    if setup == Setup::Peer { times.div_ceil(8) } else { times }
}

/// Of so many requests a share is known to within a percent or so.
const MANY_REQUESTS: f64 = 5_000.0;

/// Plays each scenario with each client and each seed.
fn play(scenarios: Vec<Scenario>, arguments: &Arguments, faults: &Faults) -> Vec<Row> {
    let mut jobs: Vec<_> = (0..scenarios.len())
        .flat_map(|row| arguments.setups().map(move |setup| (row, setup)))
        .flat_map(|(row, setup)| {
            (0..times(&scenarios[row], setup, arguments.seeds)).map(move |seed| (row, setup, seed))
        })
        .collect();
    // The longest first, so that no thread is left with one at the end.
    jobs.sort_by(|a, b| scenarios[b.0].requests().total_cmp(&scenarios[a.0].requests()));
    let next = AtomicUsize::new(0);
    let played = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..arguments.threads.max(1) {
            scope.spawn(|| {
                while let Some(&(row, setup, seed)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let scenario = &scenarios[row];
                    let figures = Figures::of(scenario, &run::run(scenario, setup, seed.into(), faults));
                    played.lock().unwrap_or_else(PoisonError::into_inner).push((row, setup, seed, figures));
                }
            });
        }
    });
    let mut played = played.into_inner().unwrap_or_else(PoisonError::into_inner);
    // Threads end in any order, and sums of fractions depend on theirs.
    played.sort_by_key(|one| one.2);
    let of = |row, setup| -> Vec<_> {
        played.iter().filter(|one| (one.0, one.1) == (row, setup)).map(|one| one.3.clone()).collect()
    };
    let row = |(row, scenario)| {
        let figures = arguments.setups().map(|setup| (setup, Figures::merge(&of(row, setup)))).collect();
        Row { scenario, figures }
    };
    scenarios.into_iter().enumerate().map(row).collect()
}
