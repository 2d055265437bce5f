use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Empty;
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use tokio::time::{Instant, sleep};
use tower::Service;

use super::fault::{Failed, Faults};
use super::model::{Attempt, Model, Outcome, Reply, Step};

/// The body of a response: there is nothing in it.
pub(crate) type Body = Empty<Bytes>;

/// The body of a request: its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Order(pub(crate) u64);

/// An upstream that can be called. Clones are the same upstream.
#[derive(Clone)]
pub(crate) struct Upstream {
    shared: Arc<Shared>,
}

struct Shared {
    start: Instant,
    faults: Faults,
    inside: Mutex<Inside>,
}

struct Inside {
    model: Box<dyn Model>,
    rng: SmallRng,
    counts: Counts,
}

/// What the upstream saw, counted by itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    /// When each attempt arrived.
    pub(crate) attempts: Vec<Duration>,
    /// How often each `POST` took effect. A repeat with the key of one that did is recognised, and does nothing.
    pub(crate) effects: HashMap<u64, u32>,
    pub(crate) in_flight: usize,
    pub(crate) most_in_flight: usize,
}

impl Upstream {
    pub(crate) fn new(model: Box<dyn Model>, faults: Faults, seed: u64) -> Self {
        let inside = Inside { model, rng: SmallRng::seed_from_u64(seed), counts: Counts::default() };
        Self { shared: Arc::new(Shared { start: Instant::now(), faults, inside: Mutex::new(inside) }) }
    }

    /// How likely it is that `request` would be answered well now.
    pub(crate) fn would_answer(&self, request: u64) -> f64 {
        self.shared.inside().model.would_answer(request, self.now())
    }

    pub(crate) fn counts(&self) -> Counts {
        self.shared.inside().counts.clone()
    }

    /// Since the start of the run.
    pub(crate) fn now(&self) -> Duration {
        self.shared.start.elapsed()
    }
}

impl Shared {
    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    fn arrive(&mut self, request: &Request<Order>, now: Duration) -> (Attempt, Step) {
        let attempt = Attempt { ticket: self.counts.attempts.len() as u64, request: request.body().0 };
        self.counts.attempts.push(now);
        self.counts.in_flight += 1;
        self.counts.most_in_flight = self.counts.most_in_flight.max(self.counts.in_flight);
        (attempt, self.model.arrive(attempt, now, &mut self.rng))
    }

    fn apply(&mut self, attempt: Attempt, what: What) {
        match what {
            What::Read => {}
            What::Keyed => {
                self.counts.effects.entry(attempt.request).or_insert(1);
            }
            What::Write => *self.counts.effects.entry(attempt.request).or_insert(0) += 1,
        }
    }
}

/// What an attempt would change.
#[derive(Debug, Clone, Copy)]
enum What {
    Read,
    Keyed,
    Write,
}

impl What {
    fn of(request: &Request<Order>) -> Self {
        match *request.method() {
            Method::POST if request.headers().contains_key("idempotency-key") => Self::Keyed,
            Method::POST => Self::Write,
            _ => Self::Read,
        }
    }
}

/// Tells the upstream when an attempt is over, however it ends.
struct Visit {
    upstream: Upstream,
    attempt: Attempt,
}

impl Drop for Visit {
    fn drop(&mut self) {
        let now = self.upstream.now();
        let mut inside = self.upstream.shared.inside();
        inside.counts.in_flight -= 1;
        inside.model.leave(self.attempt, now);
    }
}

impl Service<Request<Order>> for Upstream {
    type Response = Response<Body>;
    type Error = Failed;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Failed>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Order>) -> Self::Future {
        let upstream = self.clone();
        Box::pin(async move {
            let what = What::of(&request);
            let now = upstream.now();
            let (attempt, mut step) = upstream.shared.inside().arrive(&request, now);
            let visit = Visit { upstream, attempt };
            let shared = &visit.upstream.shared;
            loop {
                match step {
                    Step::Reply { after, reply } => {
                        if reply.applied {
                            shared.inside().apply(attempt, what);
                        }
                        sleep(after).await;
                        return shared.answer(reply);
                    }
                    Step::Look { after } => {
                        sleep(after).await;
                        let now = visit.upstream.now();
                        let inside = &mut *shared.inside();
                        step = inside.model.look(attempt, now, &mut inside.rng);
                    }
                    Step::HangAfterEffect => {
                        shared.inside().apply(attempt, what);
                        step = Step::Hang;
                    }
                    Step::Hang => std::future::pending().await,
                }
            }
        })
    }
}

impl Shared {
    fn answer(&self, reply: Reply) -> Result<Response<Body>, Failed> {
        let (status, retry_after) = match reply.outcome {
            Outcome::Status(status) => (status, None),
            Outcome::StatusRetryAfter(status, seconds) => (status, Some(seconds)),
            Outcome::Fault(fault) => return Err(self.faults.error(fault)),
        };
        let mut response = Response::new(Body::new());
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(http::header::RETRY_AFTER, seconds.into());
        }
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use tower::ServiceExt as _;

    use super::*;
    use crate::upstream::{Down, Outage, Schedule, Steady};

    fn post(key: bool) -> Request<Order> {
        let request = Request::post("/");
        let request = if key { request.header("idempotency-key", "1") } else { request };
        request.body(Order(1)).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_repeat_takes_effect_again_unless_it_has_a_key() {
        let faults = Faults::provoke().await.unwrap();
        for (key, effects) in [(true, 1), (false, 2)] {
            let model = Box::new(Steady::new(Duration::from_millis(20)));
            let upstream = Upstream::new(model, faults.clone(), 1);
            for _ in 0..2 {
                assert!(upstream.clone().oneshot(post(key)).await.unwrap().status().is_success());
            }
            assert_eq!(upstream.counts().effects[&1], effects);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_that_is_given_up_has_left() {
        let faults = Faults::provoke().await.unwrap();
        let schedule = Schedule::Once { from: Duration::ZERO, length: Duration::from_secs(9) };
        let model = Box::new(Outage::new(schedule, Down::Hang, Steady::new(Duration::ZERO)));
        let upstream = Upstream::new(model, faults, 1);
        let call = upstream.clone().oneshot(post(false));
        assert!(tokio::time::timeout(Duration::from_secs(1), call).await.is_err());
        let counts = upstream.counts();
        assert_eq!((counts.attempts.len(), counts.in_flight, counts.most_in_flight), (1, 0, 1));
    }
}
