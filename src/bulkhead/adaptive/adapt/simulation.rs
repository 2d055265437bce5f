//! Clients that always have a next request, a server, and no clock but the events between them.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::Instant;

use super::Adapting;
use crate::bulkhead::adaptive::config::Adapt;
use crate::bulkhead::adaptive::sample::Sample;

/// What the server does with a request.
#[derive(Debug, Clone, Copy)]
pub(super) enum Server {
    /// Works on `workers` requests at once, each for about `work`; others queue. Where there are `most` in it, it responds
    /// to a further one with a 503.
    Workers { workers: usize, work: Duration, most: usize },
    /// Never responds: the client times out after a second.
    Hangs,
    /// Has no knee; nine of ten responses take 10 ms, the tenth 200 ms.
    Bimodal,
}

/// How much the times of the work differ: the number of exponential stages. One is an exponential distribution, ten have a
/// deviation of about a third of the mean.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stages(pub(super) u32);

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
enum End {
    Success,
    Pressure,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
struct Request {
    client: usize,
    admitted: Duration,
    in_flight: usize,
}

/// The limit of each client at the end of each second.
pub(super) type History = Vec<Vec<usize>>;

pub(super) struct Simulation {
    rng: SmallRng,
    stages: Stages,
    start: Instant,
    now: Duration,
    server: Server,
    clients: Vec<(Adapting, usize)>,
    events: BinaryHeap<Reverse<(Duration, Request, End, bool)>>,
    queue: VecDeque<Request>,
    busy: usize,
    history: History,
}

impl Simulation {
    /// One client for each of `limits`, which is where it starts.
    pub(super) fn new(seed: u64, server: Server, stages: Stages, limits: &[usize]) -> Self {
        let start = Instant::now();
        let adapt = Adapt::between(1, 1_000).expect("valid");
        Self {
            rng: SmallRng::seed_from_u64(seed),
            stages,
            start,
            now: Duration::ZERO,
            server,
            clients: limits.iter().map(|&limit| (Adapting::new(adapt, limit, start), 0)).collect(),
            events: BinaryHeap::new(),
            queue: VecDeque::new(),
            busy: 0,
            history: vec![Vec::new(); limits.len()],
        }
    }

    /// Runs for `seconds` more, with this server.
    pub(super) fn run(&mut self, server: Server, seconds: u64) -> &History {
        self.server = server;
        let end = self.now + Duration::from_secs(seconds);
        while self.now < end {
            self.send();
            let Some(Reverse((at, request, outcome, had_worker))) = self.events.pop() else { break };
            self.tick(at);
            self.now = at;
            if had_worker {
                self.busy -= 1;
                self.work_on_queue();
            }
            let (adapting, in_flight) = &mut self.clients[request.client];
            *in_flight -= 1;
            let is_pressure = outcome == End::Pressure;
            let time = (!is_pressure).then(|| at - request.admitted);
            adapting.record(Sample { time, is_pressure, in_flight: request.in_flight }, self.start + at);
        }
        &self.history
    }

    /// Notes the limits at the end of each second that passes until `at`.
    fn tick(&mut self, at: Duration) {
        for _ in self.now.as_secs()..at.as_secs() {
            for (history, (adapting, _)) in self.history.iter_mut().zip(&self.clients) {
                history.push(adapting.limit());
            }
        }
    }

    /// Lets the clients send in turn, as many as their limits allow.
    fn send(&mut self) {
        while let Some(client) = self.next_client() {
            let (_, in_flight) = &mut self.clients[client];
            *in_flight += 1;
            let in_flight = *in_flight;
            self.receive(Request { client, admitted: self.now, in_flight });
        }
    }

    fn next_client(&self) -> Option<usize> {
        let room = |client: &usize| {
            let (adapting, in_flight) = &self.clients[*client];
            adapting.limit().saturating_sub(*in_flight)
        };
        (0..self.clients.len()).filter(|client| room(client) > 0).max_by_key(room)
    }

    fn receive(&mut self, request: Request) {
        match self.server {
            Server::Workers { workers, most, .. } => {
                if self.busy >= workers && self.busy + self.queue.len() >= most {
                    let jitter = self.rng.random_range(2_000..3_000);
                    self.respond(request, Duration::from_micros(jitter), End::Pressure, false);
                } else {
                    self.queue.push_back(request);
                    self.work_on_queue();
                }
            }
            Server::Hangs => self.respond(request, Duration::from_secs(1), End::Pressure, false),
            Server::Bimodal => {
                let millis = if self.rng.random_bool(0.9) { 10 } else { 200 };
                self.respond(request, Duration::from_millis(millis), End::Success, false);
            }
        }
    }

    fn work_on_queue(&mut self) {
        let Server::Workers { workers, work, .. } = self.server else { return };
        while self.busy < workers {
            let Some(request) = self.queue.pop_front() else { break };
            self.busy += 1;
            let stages = self.stages.0;
            let time: f64 = (0..stages).map(|_| -(1.0 - self.rng.random::<f64>()).ln()).sum();
            self.respond(request, work.mul_f64(time / f64::from(stages)), End::Success, true);
        }
    }

    fn respond(&mut self, request: Request, after: Duration, end: End, had_worker: bool) {
        self.events.push(Reverse((self.now + after, request, end, had_worker)));
    }
}

/// The mean of the last quarter.
#[allow(clippy::cast_precision_loss, reason = "small numbers")]
pub(super) fn at_last(history: &[usize]) -> f64 {
    let last = &history[history.len() * 3 / 4..];
    last.iter().sum::<usize>() as f64 / last.len() as f64
}
