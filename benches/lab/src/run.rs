//! One run: one scenario, one client, one seed, on a clock that is moved and not waited for.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Method, Request};
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tower::ServiceExt as _;

use crate::load::Load;
use crate::scenario::Scenario;
use crate::setups::{Client, Setup, Told};
use crate::upstream::{Counts, Faults, Order, Upstream};

/// What became of one request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Exchange {
    pub(crate) sent: Duration,
    pub(crate) ended: Duration,
    pub(crate) end: End,
    /// Whether it does no harm to send it again.
    pub(crate) repeatable: bool,
}

impl Exchange {
    pub(crate) fn took(&self) -> Duration {
        self.ended.saturating_sub(self.sent)
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum End {
    /// A response of 2xx.
    Well,
    /// Another response, or an error of the client.
    Failed,
    /// A timeout of the stack.
    TimedOut,
    /// The stack would not send it.
    Rejected(Rejected),
}

/// A request that was not sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rejected {
    /// How likely it is that the upstream would have answered it well.
    pub(crate) would_answer: f64,
    /// Whether that was because the stack takes the upstream for down.
    pub(crate) shut: bool,
}

/// All that is known of a run.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    /// In the order in which they ended.
    pub(crate) exchanges: Vec<Exchange>,
    pub(crate) counts: Counts,
}

/// What a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    Get,
    Post,
    /// With an idempotency key.
    KeyedPost,
}

impl Sort {
    /// Of ten requests one is a `POST`, one a `POST` with a key, and the rest are `GET`s. Not the last digit decides it:
    /// that is the shard.
    pub(crate) const fn of(id: u64) -> Self {
        match (id / 10 + id) % 10 {
            3 => Self::Post,
            6 => Self::KeyedPost,
            _ => Self::Get,
        }
    }
}

fn request(id: u64, sort: Sort) -> Request<Order> {
    let mut request = Request::new(Order(id));
    if sort != Sort::Get {
        *request.method_mut() = Method::POST;
    }
    if sort == Sort::KeyedPost {
        request.headers_mut().insert("idempotency-key", id.into());
    }
    request
}

#[derive(Clone)]
struct Caller {
    client: Client,
    upstream: Upstream,
    exchanges: Arc<Mutex<Vec<Exchange>>>,
}

impl Caller {
    async fn ask(self, id: u64) {
        let sort = Sort::of(id);
        let sent = self.upstream.now();
        let end = match self.client.oneshot(request(id, sort)).await {
            Ok(response) if response.status().is_success() => End::Well,
            Ok(_) | Err(Told::Failed) => End::Failed,
            Err(Told::TimedOut) => End::TimedOut,
            Err(told @ (Told::Full | Told::Shut)) => {
                End::Rejected(Rejected { would_answer: self.upstream.would_answer(id), shut: told == Told::Shut })
            }
        };
        let exchange = Exchange { sent, ended: self.upstream.now(), end, repeatable: sort != Sort::Post };
        self.exchanges.lock().unwrap_or_else(PoisonError::into_inner).push(exchange);
    }
}

/// Runs it to the end of its last request.
///
/// # Panics
///
/// If there is no memory for a runtime.
pub(crate) fn run(scenario: &Scenario, setup: Setup, seed: u64, faults: &Faults) -> Record {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(async {
        let upstream = Upstream::new(scenario.model(), faults.clone(), seed);
        let client = setup.client(upstream.clone(), faults, seed);
        let caller = Caller { client, upstream: upstream.clone(), exchanges: Arc::default() };
        let tasks = match scenario.load {
            Load::Loops { clients, pause } => closed(&caller, clients, pause, scenario.length),
            open => {
                let arrivals = open.arrivals(scenario.length, &mut SmallRng::seed_from_u64(seed));
                send(&caller, &arrivals).await
            }
        };
        tasks.join_all().await;
        let exchanges = std::mem::take(&mut *caller.exchanges.lock().unwrap_or_else(PoisonError::into_inner));
        Record { exchanges, counts: upstream.counts() }
    })
}

async fn send(caller: &Caller, arrivals: &[Duration]) -> JoinSet<()> {
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for (id, &at) in arrivals.iter().enumerate() {
        sleep_until(start + at).await;
        tasks.spawn(caller.clone().ask(id as u64));
        // So that the set does not grow with the traffic.
        while tasks.try_join_next().is_some() {}
    }
    tasks
}

fn closed(caller: &Caller, clients: u32, pause: Duration, length: Duration) -> JoinSet<()> {
    let end = Instant::now() + length;
    let mut tasks = JoinSet::new();
    for client in 0..u64::from(clients) {
        let caller = caller.clone();
        tasks.spawn(async move {
            let mut id = client;
            while Instant::now() < end {
                caller.clone().ask(id).await;
                id += u64::from(clients);
                sleep(pause).await;
            }
        });
    }
    tasks
}
