//! Open-loop traffic: requests come at a fixed rate, whether or not the earlier ones have been answered. That is how
//! users are, and why a slow server builds up load.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::{Method, Request, Response, Url};
use tokio::task::JoinSet;
use tower::{Service, ServiceExt as _};

use crate::FALLBACK_HEADER;
use crate::script::Script;

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The service answered.
    Answered,
    /// The fallback did.
    FellBack,
    /// The caller got an error, or a 5xx.
    Failed,
    /// The caller still waits.
    Waiting,
}

/// One request, as its caller saw it. `ended` is the last time anyone looked if the caller still waits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Exchange {
    pub(crate) sent: Duration,
    pub(crate) ended: Duration,
    pub(crate) outcome: Outcome,
}

impl Exchange {
    pub(crate) fn latency(&self) -> Duration {
        self.ended.saturating_sub(self.sent)
    }

    pub(crate) fn is_in_flight_at(&self, time: Duration) -> bool {
        self.sent <= time && (self.ended > time || self.outcome == Outcome::Waiting)
    }
}

/// Everything that was sent. Cheap to clone; all clones are the same log.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    script: Script,
    entries: Arc<Mutex<Vec<Exchange>>>,
}

impl Log {
    pub(crate) fn new(script: Script) -> Self {
        Self { script, entries: Arc::default() }
    }

    fn sent(&self) -> usize {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = self.script.now();
        entries.push(Exchange { sent, ended: sent, outcome: Outcome::Waiting });
        entries.len() - 1
    }

    fn ended(&self, index: usize, outcome: Outcome) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = &mut entries[index];
        (entry.ended, entry.outcome) = (self.script.now(), outcome);
    }

    /// All requests so far, as they are now.
    pub(crate) fn exchanges(&self) -> Vec<Exchange> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let now = self.script.now();
        entries.iter_mut().filter(|entry| entry.outcome == Outcome::Waiting).for_each(|entry| entry.ended = now);
        entries
    }
}

/// Sends GETs to `url` through `client` for as long as the script lasts, and then waits for `grace` for the last of
/// them. Returns by how much a request was sent too late at the worst: how long the machine was too busy.
pub(crate) async fn send<S>(client: S, url: Url, rate: u32, log: Log, grace: Duration) -> Duration
where
    S: Service<Request, Response = Response, Error: Send, Future: Send> + Clone + Send + 'static,
{
    let mut requests = JoinSet::new();
    let mut latest = Duration::ZERO;
    let interval = Duration::from_secs(1) / rate;
    let mut due = Duration::ZERO;
    while due < log.script.length() {
        log.script.sleep_until(due).await;
        latest = latest.max(log.script.now().saturating_sub(due));
        due += interval;

        let answer = client.clone().oneshot(Request::new(Method::GET, url.clone()));
        let (index, log) = (log.sent(), log.clone());
        requests.spawn(async move { log.ended(index, judge(answer.await).await) });
    }
    let all = async { while requests.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(grace, all).await;
    latest
}

async fn judge<E>(answer: Result<Response, E>) -> Outcome {
    let Ok(response) = answer else { return Outcome::Failed };
    let fell_back = response.headers().contains_key(FALLBACK_HEADER);
    let succeeded = response.status().is_success();
    match response.bytes().await {
        Ok(_) if fell_back => Outcome::FellBack,
        Ok(_) if succeeded => Outcome::Answered,
        _ => Outcome::Failed,
    }
}
