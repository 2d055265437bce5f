//! Open-loop traffic: requests come at a fixed rate, whether or not the earlier ones have ended. That is how users
//! are, and why a slow server builds up load.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::{Method, Request, Response, Url};
use tokio::task::JoinSet;
use tower::{Service, ServiceExt as _};

use crate::clients::FALLBACK_HEADER;
use crate::exchange::{Exchange, Outcome};
use crate::script::Script;

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

    fn sent(&self, sent: Duration) -> usize {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
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

/// Sends GETs to `url` through `client` until the script ends, and then waits for `grace` for the last of them.
/// Returns the longest delay with which a request was sent: how long the machine was too busy.
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
        // The caller waits since it wanted to send, also where a busy machine is late: no wait is left out.
        let index = log.sent(due);
        due += interval;

        let result = client.clone().oneshot(Request::new(Method::GET, url.clone()));
        let log = log.clone();
        requests.spawn(async move { log.ended(index, outcome(result.await).await) });
    }
    let all = async { while requests.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(grace, all).await;
    latest
}

async fn outcome<E>(result: Result<Response, E>) -> Outcome {
    let Ok(response) = result else { return Outcome::Failed };
    let fallback = response.headers().contains_key(FALLBACK_HEADER);
    let succeeded = response.status().is_success();
    match response.bytes().await {
        Ok(_) if fallback => Outcome::Fallback,
        Ok(_) if succeeded => Outcome::Real,
        _ => Outcome::Failed,
    }
}
