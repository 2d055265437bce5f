use std::sync::Arc;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::chaos::{courier, crashes, outages};
use super::incarnation::{Process, Program};
use crate::audit::{Facts, Report, Wrong, audit};
use crate::clients::{CUSTOMERS, Promises, client, order, quota};
use crate::domain::{Provider, State};
use crate::gateway::Numbers;
use crate::provider::{Condition, Upstream, Weather};
use crate::receiver::Receiver;
use crate::service::Reconciled;
use crate::storage::{Memory, Storage as _, Trouble};

/// What is simulated.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub seed: u64,
    pub orders: u32,
    pub crashes: u32,
    pub weather: Weather,
    pub program: Program,
}

impl Plan {
    pub const fn new(seed: u64, orders: u32) -> Self {
        Self { seed, orders, crashes: 3, weather: Weather::ROUGH, program: Program::ByState }
    }
}

/// What came of it.
#[derive(Debug)]
pub struct Run {
    pub report: Report,
    pub wrong: Wrong,
    pub completed: usize,
    pub failed: usize,
    pub reversals: u32,
    pub crashes: u32,
    pub calls: u64,
    /// Of the orders that something was found about.
    pub histories: Vec<(String, Vec<String>)>,
}

/// Runs one simulation to its end, in paused time.
pub fn run(plan: Plan) -> Run {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O");
    runtime.block_on(simulate(plan))
}

/// The longest that what is left may take, once all is well: the relays' pauses end within ten seconds each.
const DRAIN: Duration = Duration::from_secs(600);

async fn simulate(plan: Plan) -> Run {
    let mut rng = SmallRng::seed_from_u64(plan.seed);
    let (calls, called) = unbounded_channel();
    let providers = Provider::ALL.map(|provider| Upstream::new(provider, plan.seed, plan.weather, calls.clone()));
    let storage = Memory::new(rng.random());
    let receiver = Arc::new(Receiver::new(rng.random(), 0.2));
    let numbers = Numbers {
        // Also shorter than a charge may take, so that the sweep and the answer race.
        sweep_after: Duration::from_millis(rng.random_range(500..6_000)),
        ..Numbers::default()
    };
    let process = Process::new(storage.clone(), providers, receiver, numbers, plan.program);
    for customer in 0..CUSTOMERS {
        storage.set_quota(&format!("c{customer}"), quota(plan.orders)).await.expect("the memory is well");
    }
    process.start().await;

    let promises = Promises::default();
    let rush = Duration::from_millis(u64::from(plan.orders) * 100);
    let mut clients = JoinSet::new();
    for index in 0..plan.orders {
        let new = order(index, &mut rng);
        let begin = rush.mul_f64(rng.random());
        let client = client(process.clone(), new, rng.random(), promises.clone());
        clients.spawn(async move {
            sleep(begin).await;
            client.await;
        });
    }
    tokio::spawn(courier(process.clone(), rng.random(), called));
    let outages = tokio::spawn(outages(process.clone(), rng.random()));
    let crashes = tokio::spawn(crashes(process.clone(), rng.random(), plan.crashes, rush));
    while clients.join_next().await.is_some() {}
    let crashes = crashes.await.expect("it does not panic");
    outages.abort();
    let _ = outages.await;
    for provider in &process.providers {
        provider.set_condition(Condition::Up);
    }
    storage.set_trouble(Trouble::default());
    drain(&process).await;
    if plan.program == Program::ByState {
        repair(&process).await;
    }
    finish(&process, &promises, crashes).await
}

/// Waits until nothing is left to do.
async fn drain(process: &Process) {
    let begin = Instant::now();
    while begin.elapsed() < DRAIN {
        sleep(Duration::from_secs(5)).await;
        let facts = Facts::read(&process.storage).await.expect("the memory is well");
        let unfinished: usize = process.providers.iter().map(|provider| provider.unfinished()).sum();
        if !facts.is_waiting && unfinished == 0 {
            break;
        }
    }
    // What arrives late at a provider, and its callback.
    sleep(Duration::from_secs(10)).await;
}

/// An operator replays the dead letters once all is well, and compares both sides: they must agree already.
async fn repair(process: &Process) {
    for provider in &process.providers {
        provider.set_weather(Weather::CALM);
    }
    let replayed = process.call(|shop| async move { shop.replay().await }).await.expect("it lives");
    assert_eq!(replayed.expect("the memory is well").left, 0, "a letter stays, and all is well");
    drain(process).await;
    let reconciled = process.call(|shop| async move { shop.reconcile().await }).await.expect("it lives");
    let reconciled = reconciled.expect("the memory is well");
    let Reconciled { settled, voided, for_a_person, left, .. } = reconciled;
    assert_eq!((settled, voided, for_a_person, left), (0, 0, 0, 0), "both sides differ: {reconciled:?}");
}

async fn finish(process: &Process, promises: &Promises, crashes: u32) -> Run {
    let facts = Facts::read(&process.storage).await.expect("the memory is well").with_receiver(&process.receiver);
    let calls = process.providers.iter().map(|provider| provider.calls()).sum();
    let books: Vec<_> = process.providers.iter().map(|provider| (provider.provider, provider.books())).collect();
    let reversals = books.iter().flat_map(|(_, books)| books.all()).map(|(_, payment)| payment.reversals).sum();
    let promises = promises.all();
    let facts = Facts { books, calls, promises, ..facts };
    let report = audit(&facts);
    let count = |is: fn(&State) -> bool| facts.orders.iter().filter(|order| is(&order.state)).count();
    let mut histories = Vec::new();
    for order in report.orders() {
        let history = process.storage.history(order).await.expect("the memory is well");
        histories.push((order.to_owned(), history));
    }
    Run {
        wrong: Wrong::of(&facts),
        completed: count(|state| matches!(state, State::Completed { .. })),
        failed: count(|state| matches!(state, State::Failed(_))),
        reversals,
        crashes,
        calls: facts.calls.all,
        report,
        histories,
    }
}
