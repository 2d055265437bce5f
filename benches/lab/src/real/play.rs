use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tower::ServiceExt as _;

use super::clients::{Client, client};
use super::ledger::Ledger;
use super::program::find;
use super::scenes::{Scene, all};
use super::upstream::Upstream;
use crate::load::Load;
use crate::run::{End, Exchange, Record, Rejected, Sort};
use crate::scenario::Scenario;
use crate::setups::{Setup, Told};

type Failure = Box<dyn Error + Send + Sync>;

/// When a caller gives up whatever its client does: later than all of them should.
const PATIENCE: Duration = Duration::from_secs(12);
const UPLOAD: usize = 3_000_000;
/// So many scenarios are played at once: more would wait for the machine, and not for the upstream.
const AT_ONCE: usize = 5;
/// If this is set, it is an error that a program is not installed.
const NOT_SKIPPED: &str = "LAB_MUST_NOT_SKIP";

/// What was played.
pub(super) struct Played {
    pub(super) scenario: Scenario,
    pub(super) records: Vec<(Setup, Record)>,
}

/// Plays the scenarios that are chosen, with every client.
///
/// # Errors
///
/// If a server or a client cannot be made, or if what may not be skipped would be.
pub(super) async fn play(chosen: impl Fn(&Scenario) -> bool) -> Result<Vec<Played>, Failure> {
    let scenes: Vec<_> = all().into_iter().filter(|scene| chosen(&scene.scenario())).collect();
    let is_missing = |scene: &Scene| scene.kind.program().is_some_and(|name| find(name).is_none());
    let (skipped, scenes): (Vec<_>, Vec<_>) = scenes.into_iter().partition(is_missing);
    for scene in &skipped {
        let program = scene.kind.program().unwrap_or_default();
        eprintln!("SKIPPED: {} is not played, because {program} is not installed", scene.scenario().title());
    }
    if !skipped.is_empty() && std::env::var_os(NOT_SKIPPED).is_some() {
        return Err(format!("{} scenarios are skipped, and {NOT_SKIPPED} is set", skipped.len()).into());
    }
    let mut all = Vec::new();
    for scenes in scenes.chunks(AT_ONCE) {
        all.extend(together(scenes).await?);
    }
    Ok(all)
}

async fn together(scenes: &[Scene]) -> Result<Vec<Played>, Failure> {
    let mut tasks = JoinSet::new();
    for (at, &scene) in scenes.iter().enumerate() {
        for setup in Setup::REAL {
            tasks.spawn(async move { Ok::<_, Failure>((at, setup, record(setup, scene).await?)) });
        }
    }
    let mut played: Vec<_> =
        scenes.iter().map(|scene| Played { scenario: scene.scenario(), records: Vec::new() }).collect();
    while let Some(one) = tasks.join_next().await {
        let (at, setup, record) = one??;
        played[at].records.push((setup, record));
    }
    for one in &mut played {
        one.records.sort_by_key(|(setup, _)| Setup::REAL.iter().position(|one| one == setup));
    }
    Ok(played)
}

#[derive(Clone)]
struct Caller {
    client: Client,
    upstream: Arc<Upstream>,
    ledger: Arc<Ledger>,
    is_upload: bool,
}

async fn record(setup: Setup, scene: Scene) -> Result<Record, Failure> {
    let ledger = Ledger::new();
    let upstream = Arc::new(scene.kind.start(scene.share, &ledger).await?);
    let client = client(setup, scene.protocol, &ledger, 1)?;
    let caller = Caller { client, upstream, ledger: Arc::clone(&ledger), is_upload: scene.is_upload };
    let tasks = match scene.load {
        Load::Loops { clients, pause } => closed(&caller, clients, pause, scene.length),
        open => send(caller, open, scene.length).await,
    };
    let exchanges = tasks.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut exchanges = exchanges.concat();
    exchanges.sort_by_key(|exchange| exchange.ended);
    Ok(Record { exchanges, counts: ledger.counts() })
}

type Exchanges = JoinSet<Result<Vec<Exchange>, Failure>>;

async fn send(caller: Caller, load: Load, length: Duration) -> Exchanges {
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for (id, at) in load.arrivals(length, &mut SmallRng::seed_from_u64(1)).into_iter().enumerate() {
        sleep_until(start + at).await;
        let caller = caller.clone();
        tasks.spawn(async move { Ok(vec![caller.ask(id as u64).await?]) });
    }
    tasks
}

fn closed(caller: &Caller, clients: u32, pause: Duration, length: Duration) -> Exchanges {
    let end = Instant::now() + length;
    let mut tasks = JoinSet::new();
    for client in 0..u64::from(clients) {
        let caller = caller.clone();
        tasks.spawn(async move {
            let mut exchanges = Vec::new();
            let mut id = client;
            while Instant::now() < end {
                exchanges.push(caller.clone().ask(id).await?);
                id += u64::from(clients);
                sleep(pause).await;
            }
            Ok(exchanges)
        });
    }
    tasks
}

impl Caller {
    async fn ask(self, id: u64) -> Result<Exchange, Failure> {
        let sort = if self.is_upload { Sort::KeyedPost } else { Sort::of(id) };
        let url = &self.upstream.url;
        let request = if sort == Sort::Get { Request::get(url) } else { Request::post(url) };
        let request = request.header("x-id", id);
        let request = if sort == Sort::KeyedPost { request.header("idempotency-key", id) } else { request };
        let body = if self.is_upload { Bytes::from(vec![0; UPLOAD]) } else { Bytes::new() };
        let sent = self.ledger.now();
        let response = timeout(PATIENCE, self.client.oneshot(request.body(body)?)).await;
        let end = match response.unwrap_or(Err(Told::Failed)) {
            Ok(true) => End::Well,
            Ok(false) | Err(Told::Failed) => End::Failed,
            Err(Told::TimedOut) => End::TimedOut,
            Err(told) => {
                End::Rejected(Rejected { would_answer: self.upstream.would_answer(), shut: told == Told::Shut })
            }
        };
        Ok(Exchange { sent, ended: self.ledger.now(), end, repeatable: sort != Sort::Post })
    }
}
