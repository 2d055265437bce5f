//! `cargo run --release -p payments` takes orders while everything fails, and ends with an audit.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use payments::audit::Report;
use payments::domain::State;
use payments::drive::{Drive, Driven, Home, Place, drive, sqlite};
use payments::gateway::Numbers;
use payments::http::{Serve, serve};
use payments::provider::Weather;
use payments::simulation::{self, Plan, Program};
use payments::storage::Postgres;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// An order service and two payment providers that fail in every way. Ends with an audit: exit code 1 if a cent is wrong.
#[derive(Debug, Parser)]
struct Cli {
    /// How many orders.
    #[arg(long, default_value_t = 2_000)]
    orders: u32,
    /// What the faults are drawn by.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How often the order service is killed on the way.
    #[arg(long, default_value_t = 4)]
    kills: u32,
    /// Orders a second.
    #[arg(long, default_value_t = 60)]
    rate: u32,
    /// A PostgreSQL server, as `postgres://user@host/database`. Default: SQLite, in a file of its own.
    #[arg(long)]
    database: Option<String>,
    /// The same without the library: the audit finds what goes wrong.
    #[arg(long)]
    naive: bool,
    /// Leaves the service up before the audit, to look at the page and to try the other commands, until Ctrl-C.
    #[arg(long)]
    stay: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the order service alone.
    Serve {
        #[arg(long)]
        listen: SocketAddr,
        /// A file, or the URL of a PostgreSQL database.
        #[arg(long)]
        database: String,
        #[arg(long)]
        alpha: String,
        #[arg(long)]
        beta: String,
        #[arg(long)]
        events: String,
        #[arg(long)]
        naive: bool,
        /// Ends when its input does, and so with whoever started it.
        #[arg(long)]
        until_input_ends: bool,
    },
    /// Replays dead letters at a running order service, after verifying them.
    Replay {
        #[arg(long)]
        service: String,
    },
    /// Compares orders and payments in full at a running order service.
    Reconcile {
        #[arg(long)]
        service: String,
    },
    /// Throws a switch of a running order service: `prefer alpha|beta`, `alpha|beta on|off`, `moving automatic|manual`.
    Switch {
        #[arg(long)]
        service: String,
        name: String,
        value: String,
    },
    /// The same program in paused time, seed by seed.
    Simulate {
        #[arg(long, default_value_t = 1_000)]
        seeds: u64,
        #[arg(long, default_value_t = 50)]
        orders: u32,
    },
    /// The call before the transaction, after it, and by state: what crashes do to each.
    Strategies,
}

#[tokio::main]
async fn main() -> ExitCode {
    match Box::pin(run(Cli::parse())).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("payments: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all is well.
async fn run(cli: Cli) -> Result<bool, BoxError> {
    match cli.command {
        None => story(cli).await,
        Some(Command::Serve { listen, database, alpha, beta, events, naive, until_input_ends }) => {
            let plan = Serve { listen, providers: [alpha, beta], events, numbers: Numbers::default(), is_naive: naive };
            let shutdown = async { _ = tokio::signal::ctrl_c().await };
            if until_input_ends {
                std::thread::spawn(|| {
                    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
                    std::process::exit(0);
                });
            }
            match Place::parse(&database) {
                Place::Sqlite(path) => Box::pin(serve(sqlite(&path).await?, plan, shutdown)).await?,
                Place::Postgres(url) => Box::pin(serve(Postgres::connect(&url).await?, plan, shutdown)).await?,
            }
            Ok(true)
        }
        Some(Command::Replay { service }) => post(&service, "/admin/replay").await,
        Some(Command::Reconcile { service }) => post(&service, "/admin/reconcile").await,
        Some(Command::Switch { service, name, value }) => {
            post(&service, &format!("/admin/switch/{name}/{value}")).await
        }
        Some(Command::Simulate { seeds, orders }) => {
            tokio::task::spawn_blocking(move || simulate(seeds, orders)).await.map_err(Into::into)
        }
        Some(Command::Strategies) => tokio::task::spawn_blocking(strategies).await.map_err(Into::into),
    }
}

async fn post(service: &str, path: &str) -> Result<bool, BoxError> {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(120)).build()?;
    let response = client.post(format!("{service}{path}")).send().await?;
    let is_well = response.status().is_success();
    println!("{}", response.text().await?);
    Ok(is_well)
}

async fn story(cli: Cli) -> Result<bool, BoxError> {
    let home = Home::new(cli.database.as_deref(), cli.seed).await?;
    let database = home.text();
    let Cli { orders, seed, kills, rate, naive: is_naive, stay: stays, .. } = cli;
    let plan = Drive { orders, seed, kills, rate, is_naive, stays, database: database.clone() };
    let driven = match Place::parse(&database) {
        Place::Sqlite(path) => drive(sqlite(&path).await?, &plan).await?,
        Place::Postgres(url) => drive(Postgres::connect(&url).await?, &plan).await?,
    };
    show(&driven);
    let is_clean = driven.report.is_clean();
    if is_clean || is_naive {
        home.remove().await?;
    } else {
        println!("the database stays, to be looked at: {database}");
    }
    Ok(is_clean)
}

fn show(driven: &Driven) {
    let facts = &driven.facts;
    let count = |is: fn(&State) -> bool| facts.orders.iter().filter(|order| is(&order.state)).count();
    println!(
        "{} orders in {:.0?}: {} completed, {} failed, {} open; {} kills survived",
        facts.orders.len(),
        driven.took,
        count(|state| matches!(state, State::Completed { .. })),
        count(|state| matches!(state, State::Failed(_))),
        count(|state| !state.is_final()),
        driven.kills,
    );
    println!(
        "{} calls to providers, {} charges given back by a void, {} events came again and were known",
        facts.calls.all, driven.reversals, driven.repeats
    );
    let statuses: Vec<String> = driven.statuses.iter().map(|(status, count)| format!("{status}: {count}")).collect();
    println!("clients were answered {}", statuses.join(", "));
    if !driven.replayed.is_empty() {
        println!("replay:    {}", driven.replayed);
        println!("reconcile: {}", driven.reconciled);
    }
    let callbacks: Vec<String> = driven.callbacks.iter().map(|(end, count)| format!("{count} {end}")).collect();
    println!("callbacks: {}", callbacks.join(", "));
    for (order, reason) in &facts.for_a_person {
        println!("for a person: {order}: {reason}");
    }
    println!();
    print_report(&driven.report, &driven.histories);
}

fn print_report(report: &Report, histories: &[(String, Vec<String>)]) {
    print!("{report}");
    for (order, history) in histories.iter().take(5) {
        println!("history of {order}:");
        for line in history {
            println!("  {line}");
        }
    }
    println!("{}", if report.is_clean() { "clean" } else { "NOT CLEAN" });
}

fn simulate(seeds: u64, orders: u32) -> bool {
    let (mut completed, mut failed, mut reversals, mut crashes, mut dirty) = (0, 0, 0, 0, 0);
    for seed in 0..seeds {
        let run = simulation::run(Plan::new(seed, orders));
        completed += run.completed;
        failed += run.failed;
        reversals += run.reversals;
        crashes += run.crashes;
        if !run.report.is_clean() {
            dirty += 1;
            if dirty <= 3 {
                println!("seed {seed}");
                print_report(&run.report, &run.histories);
            }
        }
    }
    println!(
        "{seeds} seeds: {completed} completed, {failed} failed, {reversals} given back, {crashes} crashes, {dirty} not clean"
    );
    dirty == 0
}

/// Always well: it shows, and the tests hold it.
fn strategies() -> bool {
    const SEEDS: u64 = 40;
    let rows = [
        ("by state", Program::ByState),
        ("the transaction after the call", Program::AfterTheCall),
        ("the transaction before the call", Program::BeforeTheCall),
        ("naive: no library at all", Program::Naive),
    ];
    println!("{SEEDS} runs of 50 orders each, few faults, and 3 crashes a run\n");
    println!(
        "{:34} {:>9} {:>22} {:>24} {:>14}",
        "", "completed", "charged, not completed", "completed, not charged", "charged twice"
    );
    for (name, program) in rows {
        let (mut completed, mut open, mut missing, mut twice) = (0, 0, 0, 0);
        for seed in 0..SEEDS {
            let run = simulation::run(Plan { weather: FEW, program, ..Plan::new(seed, 50) });
            completed += run.completed;
            open += run.wrong.charged_not_completed;
            missing += run.wrong.completed_not_charged;
            twice += run.wrong.charged_twice;
        }
        println!("{name:34} {completed:>9} {open:>22} {missing:>24} {twice:>14}");
    }
    true
}

/// One request in twenty meets a fault, and every question is answered: what goes wrong is the crashes' doing.
const FEW: Weather = Weather { fault_ratio: 0.05, question_fault_ratio: 0.0 };
