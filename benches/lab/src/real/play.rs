use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tower::ServiceExt as _;

use super::clients::{Client, client};
use super::server::{Conduct, Server};
use crate::figures::Figures;
use crate::law::Row;
use crate::load::Load;
use crate::run::{End, Exchange, Record, Rejected};
use crate::scenario::{Family, Scenario};
use crate::setups::{Setup, Told};

type Failure = Box<dyn Error + Send + Sync>;

const LENGTH: Duration = Duration::from_secs(8);
/// When a caller gives up whatever its client does: later than all of them should.
const PATIENCE: Duration = Duration::from_secs(12);
/// What is uploaded where that is slow: at 4 Mbit/s it takes 6 s.
const UPLOAD: usize = 3_000_000;
const SLOWLY: usize = 500_000;

fn scenarios() -> Vec<(&'static str, Load, Conduct, Family)> {
    let steady = Load::Poisson { rate: 50 };
    let bursts = Load::Bursts { rate: 100, of: 50 };
    vec![
        ("real-healthy", steady, Conduct::Well, Family::Healthy),
        ("real-resets-20%", steady, Conduct::Resets(0.2), Family::Partial),
        ("real-keep-alive-burst", bursts, Conduct::Closes(Duration::from_millis(2400)), Family::Partial),
        ("real-stalled-bodies-20%", steady, Conduct::Stalls(0.2), Family::Partial),
        ("real-503-flood", steady, Conduct::Full(1), Family::Partial),
        ("real-slow-uploads", Load::Constant { rate: 2 }, Conduct::ReadsSlowly(SLOWLY), Family::Healthy),
    ]
}

/// Plays all scenarios at once, with every client.
///
/// # Errors
///
/// If a server or a client cannot be made.
pub(crate) async fn play() -> Result<Vec<Row>, Failure> {
    let mut tasks = JoinSet::new();
    for (at, (name, load, conduct, family)) in scenarios().into_iter().enumerate() {
        for setup in Setup::REAL {
            tasks.spawn(async move {
                let record = record(setup, load, conduct).await?;
                let scenario = Scenario::real(name, load, LENGTH, family);
                let figures = Figures::of(&scenario, &record);
                Ok::<_, Failure>((at, setup, scenario, figures))
            });
        }
    }
    let mut played = tasks.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?;
    played.sort_by_key(|&(at, setup, ..)| (at, Setup::REAL.iter().position(|one| *one == setup)));
    let mut rows = Vec::<Row>::new();
    for (_, setup, scenario, figures) in played {
        match rows.last_mut() {
            Some(row) if row.scenario.name == scenario.name => row.figures.push((setup, figures)),
            _ => rows.push(Row { scenario, figures: vec![(setup, figures)] }),
        }
    }
    Ok(rows)
}

async fn record(setup: Setup, load: Load, conduct: Conduct) -> Result<Record, Failure> {
    let server = Arc::new(Server::start(conduct).await?);
    let client = client(setup, 1)?;
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for (id, at) in load.arrivals(LENGTH, &mut SmallRng::seed_from_u64(1)).into_iter().enumerate() {
        sleep_until(start + at).await;
        let upload = matches!(conduct, Conduct::ReadsSlowly(_));
        tasks.spawn(ask(client.clone(), Arc::clone(&server), id as u64, upload));
    }
    let exchanges = tasks.join_all().await.into_iter().collect::<Result<_, _>>()?;
    Ok(Record { exchanges, counts: server.counts() })
}

async fn ask(client: Client, server: Arc<Server>, id: u64, upload: bool) -> Result<Exchange, Failure> {
    // As on simulated time, one in ten is a `POST` and another one has a key; all uploads have.
    let is_keyed = upload || id % 10 == 6;
    let is_post = is_keyed || id % 10 == 3;
    let request = if is_post { Request::post(server.url()) } else { Request::get(server.url()) };
    let request = request.header("x-id", id);
    let request = if is_keyed { request.header("idempotency-key", id) } else { request };
    let body = if upload { Bytes::from(vec![0; UPLOAD]) } else { Bytes::new() };
    let sent = server.now();
    let response = timeout(PATIENCE, client.oneshot(request.body(body)?)).await;
    let end = match response.unwrap_or(Err(Told::Failed)) {
        Ok(true) => End::Well,
        Ok(false) | Err(Told::Failed) => End::Failed,
        Err(Told::TimedOut) => End::TimedOut,
        Err(told) => End::Rejected(Rejected { would_answer: server.would_answer(), shut: told == Told::Shut }),
    };
    Ok(Exchange { sent, ended: server.now(), end, repeatable: is_keyed || !is_post })
}
