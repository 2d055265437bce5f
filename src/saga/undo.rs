use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;

use rand::rngs::SmallRng;
use tokio::time::{Instant, sleep};

use super::caught::Caught;
use super::policy::UndoPolicy;
use super::stuck::Reason;
use crate::backoff::Waits;
use crate::deadline::{Scope, Timer, end_of};

/// Boxed error, as tower has it.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

type AttemptFuture<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>>;

/// Starts an attempt of an undo.
pub(super) type Attempt<'a> = Box<dyn FnMut() -> AttemptFuture<'a> + Send + 'a>;

/// An undo, and how it is to be tried.
pub(super) struct Undo<'a> {
    pub(super) attempt: Attempt<'a>,
    pub(super) policy: UndoPolicy,
}

impl Undo<'_> {
    /// Tries until it is done, or until the policy says stop. `on_error` hears of each attempt that failed: which one it
    /// was, counted from 1, and its error.
    pub(super) async fn run(&mut self, rng: &mut SmallRng, on_error: impl Fn(u32, &str) + Send) -> Result<(), Reason> {
        let Self { attempt, policy } = self;
        let limit = policy.timeout();
        let deadline = end_of(limit);
        let mut last_error = None;
        let attempts = async {
            let mut waits = Waits::default();
            let mut attempts = 1;
            loop {
                let Err(error) = attempt().await else { return Ok(()) };
                on_error(attempts, &error);
                if attempts >= policy.max_attempts() {
                    return Err(Reason::Failed { attempts, error });
                }
                last_error = Some(error);
                sleep(waits.next(policy.backoff(), rng)).await;
                attempts += 1;
            }
        };
        match within(deadline, Caught::new(attempts)).await {
            Some(Ok(result)) => result,
            Some(Err(message)) => Err(Reason::Panicked { message }),
            None => Err(Reason::TimedOut { limit, error: last_error }),
        }
    }
}

/// What `future` returns, if it ends in time. It knows the deadline while it is polled.
async fn within<F: Future>(deadline: Option<Instant>, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut timer = pin!(Timer::new(deadline));
    poll_fn(|cx| {
        let had_budget = timer.as_ref().has_budget();
        let scope = Scope::of_poll(deadline, cx);
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        drop(scope);
        timer.as_mut().poll_elapsed(cx, had_budget).map(|()| None)
    })
    .await
}

/// Makes the attempts of an undo from what the caller gave.
pub(super) fn attempts<'a, F, U>(mut start: impl FnMut() -> F + Send + 'a) -> Attempt<'a>
where
    F: Future<Output = Result<(), U>> + Send + 'a,
    U: Into<BoxError>,
{
    Box::new(move || {
        let attempt = start();
        Box::pin(async move { attempt.await.map_err(|error| chain(&*error.into())) })
    })
}

/// The error and its sources in one line. A source that the text ends with already is not repeated.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Nested {
        text: &'static str,
        source: Option<Box<Nested>>,
    }

    #[test]
    fn an_error_is_told_with_its_sources_and_nothing_twice() {
        let reset = || Some(Box::new(Nested { text: "reset by peer", source: None }));
        assert_eq!(chain(&Nested { text: "no response", source: reset() }), "no response: reset by peer");
        assert_eq!(chain(&Nested { text: "lost: reset by peer", source: reset() }), "lost: reset by peer");
        assert_eq!(chain(&Nested { text: "alone", source: None }), "alone");
    }
}
