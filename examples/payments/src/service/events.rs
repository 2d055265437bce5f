use std::time::Duration;

use tower::{Layer as _, service_fn};
use windbreak::outbox::Message;
use windbreak::rules::{Idempotency, rules_fn};
use windbreak::{Effect, Error, Failure, InvalidConfig, Stack, Verdict};

use crate::domain::Event;

/// Brings an event to the rest of the company, which knows a repeat by its id.
pub trait Delivery: Clone + Send + Sync + 'static {
    fn deliver(&self, id: &str, body: &[u8]) -> impl Future<Output = Result<(), EventError>> + Send;
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// No version of this program reads it: for a person.
    #[error("unreadable: {0}")]
    Unreadable(String),
    #[error("not delivered: {0}")]
    Failed(String),
}

pub(super) fn judge<T>(result: Result<&T, &Error<EventError>>) -> Verdict {
    match result {
        Ok(_) => Verdict::Success,
        Err(error) => match (error.rejection(), error.service()) {
            (Some(rejection), _) => rejection.into(),
            (None, Some(EventError::Unreadable(_))) => Verdict::Failure(Failure::new(Effect::NotApplied).permanent()),
            _ => Verdict::UNKNOWN,
        },
    }
}

/// The stack around the receiver of events. A repeat is harmless: it has the id of the first.
pub(super) fn stack<D: Delivery>(
    delivery: D,
) -> Result<
    impl tower::Service<
        Message,
        Response = (),
        Error = Error<EventError>,
        Future: Future<Output = Result<(), Error<EventError>>> + Send + 'static,
    > + Clone
    + Send
    + 'static,
    InvalidConfig,
> {
    let rules = rules_fn(judge::<()>).idempotent(|_: &Message| Idempotency::Keyed);
    let stack = Stack::new("events", rules)
        .total_timeout(Duration::from_millis(1_800))
        .attempt_timeout(Duration::from_millis(800))
        .retry(|retry| retry.max_attempts(2))
        .build()?;
    Ok(stack.layer(service_fn(move |message: Message| {
        let delivery = delivery.clone();
        async move {
            check(&message)?;
            delivery.deliver(&message.id, &message.payload).await
        }
    })))
}

/// What nobody can read is not sent.
fn check(message: &Message) -> Result<(), EventError> {
    let event: Event =
        serde_json::from_slice(&message.payload).map_err(|error| EventError::Unreadable(error.to_string()))?;
    if event.format == Event::FORMAT {
        Ok(())
    } else {
        let known = Event::FORMAT;
        Err(EventError::Unreadable(format!("`format` is {}: this program knows {known}", event.format)))
    }
}
