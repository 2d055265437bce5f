use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tower::Service;
use windbreak::outbox::{self, MemoryStore, Message, Relay, RelayBuilder, Store};
use windbreak::rules::{RulesFn, rules_fn};
use windbreak::{Effect, Error, Failure, Rejection, Verdict};

/// What the upstream does with a message.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    Ok,
    Fail,
    Permanent,
    Decline,
    Throttle(Option<Duration>),
    InProgress,
    Reject(Rejection),
    Mistake,
    Panic,
    After(Duration),
}

/// An upstream that follows a script, then accepts everything, and remembers what it was sent and when.
#[derive(Debug, Clone, Default)]
pub(crate) struct Upstream {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    script: VecDeque<Act>,
    calls: Vec<(String, Instant)>,
    accepted: Vec<String>,
}

pub(crate) type Fault = Error<&'static str>;

impl Upstream {
    pub(crate) fn with(script: impl IntoIterator<Item = Act>) -> Self {
        let upstream = Self::default();
        upstream.state.lock().unwrap().script.extend(script);
        upstream
    }

    pub(crate) fn calls(&self) -> Vec<String> {
        self.state.lock().unwrap().calls.iter().map(|call| call.0.clone()).collect()
    }

    /// When each call came, after `start`.
    pub(crate) fn times(&self, start: Instant) -> Vec<Duration> {
        self.state.lock().unwrap().calls.iter().map(|call| call.1 - start).collect()
    }

    pub(crate) fn accepted(&self) -> Vec<String> {
        self.state.lock().unwrap().accepted.clone()
    }
}

impl Service<Message> for Upstream {
    type Response = Verdict;
    type Error = Fault;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Verdict, Fault>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, message: Message) -> Self::Future {
        let upstream = self.clone();
        Box::pin(async move {
            let act = {
                let mut state = upstream.state.lock().unwrap();
                state.calls.push((message.id.clone(), Instant::now()));
                state.script.pop_front().unwrap_or(Act::Ok)
            };
            let accept = || upstream.state.lock().unwrap().accepted.push(message.id.clone());
            let verdict = match act {
                Act::Ok => Verdict::Success,
                Act::Fail => return Err(Error::Service("reset")),
                Act::Permanent => Verdict::Failure(Failure::new(Effect::NotApplied).permanent()),
                Act::Decline => Verdict::Declined,
                Act::Throttle(retry_after) => Verdict::throttled(retry_after),
                Act::InProgress => Verdict::in_progress(None),
                Act::Reject(rejection) => return Err(rejection.into()),
                Act::Mistake => Verdict::Ignored,
                Act::Panic => panic!("out of paper"),
                Act::After(delay) => {
                    sleep(delay).await;
                    Verdict::Success
                }
            };
            if verdict == Verdict::Success {
                accept();
            }
            Ok(verdict)
        })
    }
}

pub(crate) type Rules = RulesFn<Verdict, Fault, fn(Result<&Verdict, &Fault>) -> Verdict>;

pub(crate) fn rules() -> Rules {
    rules_fn(|result| match result {
        Ok(verdict) => *verdict,
        Err(Error::Rejected(rejection)) => rejection.into(),
        Err(_) => Verdict::UNKNOWN,
    })
}

pub(crate) fn relay(store: &MemoryStore, upstream: &Upstream) -> RelayBuilder<MemoryStore, Upstream, Rules> {
    Relay::builder("test", store.clone(), upstream.clone(), rules()).backoff(Duration::from_secs(1)).seed(7)
}

/// Messages `a/1`, `a/2`, `b/1` .. of the topics `a` and `b`.
pub(crate) async fn insert(store: &MemoryStore, ids: &[&str]) {
    for id in ids {
        let topic = id.split('/').next().unwrap();
        store.insert(&Message::new(*id).topic(topic)).await.unwrap();
    }
}

pub(crate) fn states(store: &MemoryStore) -> Vec<outbox::State> {
    store.messages().into_iter().map(|(_, state)| state).collect()
}

pub(crate) fn attempts(store: &MemoryStore) -> Vec<u32> {
    store.messages().into_iter().map(|(message, _)| message.attempts).collect()
}
