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
mod picture;
mod real;
mod report;
mod run;
mod scenario;
mod setups;
mod upstream;

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
use law::{Row, violations};
use scenario::Scenario;
use setups::Setup;
use upstream::Faults;

/// Plays every scenario with every client, and holds the law.
#[derive(Debug, Parser)]
struct Arguments {
    /// Only the scenarios of this name; or one of them, as in `errors-20%@100`.
    #[arg(long)]
    scenario: Vec<String>,
    /// How often each is played, each time with other requests. What has thousands of requests is played a quarter as
    /// often.
    #[arg(long, default_value_t = 20)]
    seeds: u32,
    /// How many threads play.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Writes all figures there.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Writes the matrix there, as a page.
    #[arg(long)]
    markdown: Option<PathBuf>,
    /// Plays over sockets, in real time, instead.
    #[arg(long)]
    real: bool,
    /// Draws each scenario there.
    #[arg(long)]
    pictures: Option<PathBuf>,
}

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<ExitCode, Failure> {
    let arguments = Arguments::parse();
    if arguments.real {
        let start = Instant::now();
        let rows = tokio::runtime::Runtime::new()?.block_on(real::play())?;
        print!("{}\n{}", report::table(&rows), report::details(&rows));
        return Ok(judge(&rows, 1, start.elapsed().as_secs_f64()));
    }
    let faults = tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(Faults::provoke())?;
    let chosen = |s: &Scenario| arguments.scenario.is_empty() || arguments.scenario.iter().any(|name| s.is_named(name));
    let scenarios: Vec<_> = scenario::all().into_iter().filter(chosen).collect();
    if scenarios.is_empty() {
        return Err(format!("no scenario is named {:?}", arguments.scenario).into());
    }

    let start = Instant::now();
    let rows = play(scenarios, &arguments, &faults);
    let took = start.elapsed();

    print!("{}", report::table(&rows));
    if !arguments.scenario.is_empty() {
        print!("\n{}", report::details(&rows));
    }
    if let Some(path) = &arguments.json {
        std::fs::write(path, format!("{:#}\n", report::json(&rows, arguments.seeds)))?;
    }
    if let Some(path) = &arguments.markdown {
        std::fs::write(path, report::markdown(&rows, arguments.seeds))?;
    }
    if let Some(folder) = &arguments.pictures {
        for row in &rows {
            let first = |setup: Setup| (setup, run::run(&row.scenario, setup, 0, &faults));
            picture::draw(folder, &row.scenario, &Setup::SIMULATED.map(first)).map_err(|error| error.to_string())?;
        }
    }
    Ok(judge(&rows, arguments.seeds, took.as_secs_f64()))
}

/// Says which clauses are broken, and where.
fn judge(rows: &[Row], seeds: u32, seconds: f64) -> ExitCode {
    let broken: Vec<_> = rows.iter().flat_map(violations).collect();
    let mut clauses = BTreeMap::<_, u32>::new();
    if !broken.is_empty() {
        println!();
    }
    for violation in &broken {
        println!("{violation}");
        *clauses.entry(violation.clause).or_default() += 1;
    }
    println!("\n{} scenarios, {seeds} seeds, {seconds:.1} s: {} violations", rows.len(), broken.len());
    for (clause, times) in clauses {
        println!("  {clause}: {times}");
    }
    if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// How often a scenario is played. One run of many requests says as much as several of few, and takes as long.
fn times(scenario: &Scenario, seeds: u32) -> u32 {
    if scenario.requests() < MANY_REQUESTS { seeds } else { seeds.div_ceil(4) }
}

/// Of so many requests a share is known to within a percent or so.
const MANY_REQUESTS: f64 = 5_000.0;

/// Plays each scenario with each client and each seed.
fn play(scenarios: Vec<Scenario>, arguments: &Arguments, faults: &Faults) -> Vec<Row> {
    let mut jobs: Vec<_> = (0..scenarios.len())
        .flat_map(|row| Setup::SIMULATED.map(|setup| (row, setup)))
        .flat_map(|(row, setup)| (0..times(&scenarios[row], arguments.seeds)).map(move |seed| (row, setup, seed)))
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
        let figures = Setup::SIMULATED.map(|setup| (setup, Figures::merge(&of(row, setup)))).to_vec();
        Row { scenario, figures }
    };
    scenarios.into_iter().enumerate().map(row).collect()
}
