//! The spans and events of a retry.

use std::fmt;
use std::sync::{Arc, Mutex};

use tokio::time::{Instant, sleep};
use tower::{Layer, ServiceExt, service_fn};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};
use windbreak::retry::{RetryBudget, RetryPolicyBuilder};
use windbreak::rules::ErrorsOnly;
use windbreak::{Rejection, RetryLayer, RetryPolicy};

use crate::support::listening::listen;
use crate::support::{Log, millis, secs};

type Error = windbreak::Error<&'static str>;
type Answer = Result<(), Error>;

/// What was heard of a span or an event: its level, its fields, and for a span when it began and when it was closed.
#[derive(Debug, Clone)]
struct Heard {
    level: Level,
    fields: Vec<(&'static str, String)>,
    began: Instant,
    closed: Option<Instant>,
}

impl Heard {
    fn new(metadata: &Metadata<'_>) -> Self {
        Self { level: *metadata.level(), fields: Vec::new(), began: Instant::now(), closed: None }
    }

    fn fields(&self) -> Vec<(&'static str, &str)> {
        self.fields.iter().map(|(name, value)| (*name, &**value)).collect()
    }
}

#[derive(Clone)]
struct Listener {
    level: Level,
    spans: Arc<Mutex<Vec<Heard>>>,
    events: Arc<Mutex<Vec<Heard>>>,
}

struct Reader<'a>(&'a mut Heard);

impl Visit for Reader<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.fields.push((field.name(), value.to_owned()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.fields.push((field.name(), format!("{value:?}")));
    }
}

impl Listener {
    fn new(level: Level) -> Self {
        Self { level, spans: Arc::default(), events: Arc::default() }
    }

    fn spans(&self) -> Vec<Heard> {
        self.spans.lock().expect("valid").clone()
    }

    fn events(&self) -> Vec<Heard> {
        self.events.lock().expect("valid").clone()
    }

    fn change(&self, span: &span::Id, change: impl FnOnce(&mut Heard)) {
        change(&mut self.spans.lock().expect("valid")[usize::try_from(span.into_u64()).expect("valid") - 1]);
    }
}

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("windbreak::retry") && *metadata.level() <= self.level
    }

    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        let mut heard = Heard::new(span.metadata());
        span.record(&mut Reader(&mut heard));
        let mut spans = self.spans.lock().expect("valid");
        spans.push(heard);
        span::Id::from_u64(spans.len() as u64)
    }

    fn record(&self, span: &span::Id, values: &span::Record<'_>) {
        self.change(span, |heard| values.record(&mut Reader(heard)));
    }

    fn event(&self, event: &Event<'_>) {
        let mut heard = Heard::new(event.metadata());
        event.record(&mut Reader(&mut heard));
        self.events.lock().expect("valid").push(heard);
    }

    fn try_close(&self, span: span::Id) -> bool {
        self.change(&span, |heard| heard.closed = Some(Instant::now()));
        true
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// What is heard at `level` of a request whose attempts take 10 ms each and end as the script says.
async fn heard(level: Level, policy: RetryPolicyBuilder, script: impl IntoIterator<Item = Answer>) -> Listener {
    let listener = Listener::new(level);
    let _listening = listen(listener.clone());
    send(policy, script).await;
    listener
}

async fn send(policy: RetryPolicyBuilder, script: impl IntoIterator<Item = Answer>) {
    let (script, log): (Vec<_>, _) = (script.into_iter().collect(), Log::default());
    let policy = policy.backoff(secs(1)).build().expect("valid");
    let upstream = service_fn(move |()| {
        let answer = script[log.note() - 1].clone();
        async move {
            sleep(millis(10)).await;
            answer
        }
    });
    let _ = RetryLayer::new(policy, ErrorsOnly.idempotent(|()| true)).layer(upstream).oneshot(()).await;
}

fn open() -> Answer {
    Err(Rejection::circuit_open("upstream", Some(secs(1))).into())
}

#[tokio::test(start_paused = true)]
async fn a_span_ends_with_its_attempt_and_says_what_was_wrong_with_it() {
    let script = [Err(Error::Service("reset")), Err(Rejection::timeout(secs(9)).into()), Ok(())];
    let spans = heard(Level::TRACE, RetryPolicy::builder(), script).await.spans();
    assert_eq!(spans[0].fields(), [("http.request.resend_count", "0"), ("error.type", "_OTHER")]);
    assert_eq!(spans[1].fields(), [("http.request.resend_count", "1"), ("error.type", "timeout")]);
    assert_eq!(spans[2].fields(), [("http.request.resend_count", "2")]);
    for span in &spans {
        let lasted = span.closed.expect("it ended") - span.began;
        assert!((millis(10)..=millis(12)).contains(&lasted), "{lasted:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_attempt_is_a_debug_span_and_further_ones_are_info() {
    let script = || [Err(Error::Service("reset")), Ok(())];
    let levels = async |level| {
        let spans = heard(level, RetryPolicy::builder(), script()).await.spans();
        spans.iter().map(|span| span.level).collect::<Vec<_>>()
    };
    assert_eq!(levels(Level::DEBUG).await, [Level::DEBUG, Level::INFO]);
    assert_eq!(levels(Level::INFO).await, [Level::INFO]);
    assert_eq!(levels(Level::WARN).await, [Level::WARN; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_the_budget_is_told_with_its_count() {
    let budget = RetryBudget::new(0.001, 0).unwrap();
    for refused in ["1", "2"] {
        let policy = RetryPolicy::builder().budget(budget.clone());
        let events = heard(Level::DEBUG, policy, [Err(Error::Service("reset"))]).await.events();
        let expected = [("message", "retry budget is exhausted"), ("error.type", "_OTHER"), ("refused", refused)];
        assert_eq!((events.len(), events[0].level, events[0].fields()), (1, Level::DEBUG, expected.to_vec()));
    }
}

#[tokio::test(start_paused = true)]
async fn what_becomes_of_a_further_attempt_that_is_rejected_is_told() {
    let script = || [Err(Error::Service("reset")), open(), Ok(())];
    for (waits, message) in
        [(true, "further attempt was rejected, waits"), (false, "further attempt was rejected, stops")]
    {
        let policy = RetryPolicy::builder().wait_for_circuit(waits);
        let heard = heard(Level::DEBUG, policy, script()).await;
        let expected = [("message", message), ("error.type", "circuit_open"), ("attempts", "1")];
        let events = heard.events();
        assert_eq!((events.len(), events[0].level, events[0].fields()), (1, Level::DEBUG, expected.to_vec()));
        // What was not sent is not counted as sent.
        let resends: Vec<_> = heard.spans().iter().map(|span| span.fields[0].1.clone()).collect();
        assert_eq!(resends, if waits { vec!["0", "1", "1"] } else { vec!["0", "1"] });
    }
}

/// A request that is traced takes another way through the code.
#[tokio::test(start_paused = true)]
async fn a_first_attempt_that_is_rejected_does_not_wait_also_if_it_is_traced() {
    let heard = heard(Level::TRACE, RetryPolicy::builder().wait_for_circuit(true), [open(), Ok(())]).await;
    assert_eq!((heard.spans().len(), heard.events().len()), (1, 0));
    assert_eq!(heard.spans()[0].fields()[1], ("error.type", "circuit_open"));
}
