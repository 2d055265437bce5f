use std::pin::Pin;

use rand::rngs::SmallRng;
use tokio::time::sleep;

use super::policy::UndoPolicy;
use super::stuck::Reason;
use crate::backoff::Waits;
use crate::caught::Caught;
use crate::deadline::{end_of, within};
use crate::error::chain;

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
