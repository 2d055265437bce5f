//! One message on its way to the upstream.

use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use tokio::sync::watch;
use tokio::time::Instant;
use tower_service::Service;

use super::message::Message;
use super::plan::Heard;
use crate::caught::Caught;
use crate::deadline::within;
use crate::error::{Rejectable, Rejection};
use crate::rules::{Classify, Verdict};

/// What was heard of a delivery, and the reason for whoever looks.
pub(super) struct Report {
    pub(super) heard: Heard,
    pub(super) reason: String,
}

impl Report {
    pub(super) fn new(heard: Heard, reason: impl Into<String>) -> Self {
        Self { heard, reason: reason.into() }
    }
}

/// Delivers a message, until the deadline. While the service is not ready, nothing was sent: then it ends with `stopping`.
pub(super) async fn deliver<S, R>(
    mut service: S,
    rules: &R,
    message: Message,
    started: Instant,
    deadline: Option<Instant>,
    stopping: watch::Receiver<bool>,
) -> Report
where
    S: Service<Message>,
    S::Error: Rejectable + fmt::Display,
    R: Classify<S::Response, S::Error>,
{
    match Caught::new(within(deadline, ready(&mut service, stopping))).await {
        Ok(Some(Some(Ok(())))) => {}
        Ok(Some(Some(Err(error)))) => {
            let retry_after = error.rejection().and_then(Rejection::retry_after);
            return Report::new(Heard::NotSent { retry_after }, reason(rules, Err(&error)));
        }
        Ok(Some(None)) => return Report::new(Heard::Released, "the relay ended before it was sent"),
        Ok(None) => return Report::new(Heard::NotSent { retry_after: None }, "the service was not ready in time"),
        Err(panic) => {
            return Report::new(Heard::NotSent { retry_after: None }, format!("not ready, but panicked: {panic}"));
        }
    }
    let result = match Caught::new(within(deadline, async { service.call(message).await })).await {
        Ok(Some(result)) => result,
        Ok(None) => Err(Rejection::timeout(started.elapsed()).into()),
        Err(panic) => return Report::new(Heard::Panicked, format!("the service panicked: {panic}")),
    };
    let result = result.as_ref();
    let heard = hear(rules.classify(result), result.err());
    let reason = if heard == Heard::Asked(Verdict::Success) { String::new() } else { reason(rules, result) };
    Report::new(heard, reason)
}

/// `None` if the relay stops first.
async fn ready<S: Service<Message>>(
    service: &mut S,
    mut stopping: watch::Receiver<bool>,
) -> Option<Result<(), S::Error>> {
    let mut stopped = pin!(async move {
        // A relay that is gone has stopped too.
        let _ = stopping.wait_for(|stopping| *stopping).await;
    });
    poll_fn(|cx| match stopped.as_mut().poll(cx) {
        Poll::Ready(()) => Poll::Ready(None),
        Poll::Pending => service.poll_ready(cx).map(Some),
    })
    .await
}

/// An attempt counts only if the upstream was asked. That it was not is believed of a rejection only if it is certainly one
/// of this request.
fn hear<E: Rejectable>(verdict: Verdict, error: Option<&E>) -> Heard {
    if verdict == Verdict::Success {
        return Heard::Asked(verdict);
    }
    let own = error.and_then(Rejectable::own_rejection);
    match own.filter(|rejection| Verdict::from(*rejection) == Verdict::Ignored) {
        Some(Rejection::RateLimited { retry_after: None }) => return Heard::Never,
        Some(rejection) => return Heard::NotSent { retry_after: rejection.retry_after() },
        None => {}
    }
    let is_mistake = verdict == Verdict::Ignored && error.and_then(Rejectable::rejection).is_none();
    if is_mistake { Heard::Never } else { Heard::Asked(verdict) }
}

/// The short word of the rules, and what the error says.
fn reason<T, E, R>(rules: &R, result: Result<&T, &E>) -> String
where
    E: fmt::Display,
    R: Classify<T, E>,
{
    let word = rules.error_type(result);
    match result {
        Ok(_) => word.into_owned(),
        Err(error) => format!("{word}: {error}"),
    }
}
