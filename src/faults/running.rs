use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::dice::Dice;
use super::fault::Fault;

type MakeError<Request, E> = Box<dyn Fn(&Request) -> E + Send + Sync>;
type Chooses<Request> = Box<dyn Fn(&Request) -> bool + Send + Sync>;

/// What a plan asks of its user for each request.
pub(super) struct Closures<Request, E> {
    pub(super) error: Option<MakeError<Request, E>>,
    pub(super) only: Option<Chooses<Request>>,
}

impl<Request, E> Closures<Request, E> {
    pub(super) fn chooses(&self, request: &Request) -> bool {
        self.only.as_ref().is_none_or(|only| only(request))
    }

    /// The error of a call that is not made; `None` if the plan makes none.
    pub(super) fn error(&self, request: &Request) -> Option<E> {
        self.error.as_ref().map(|error| error(request))
    }
}

/// A plan that runs.
pub(super) struct Running<Request, E> {
    pub(super) dice: Dice,
    closures: Arc<Closures<Request, E>>,
    ends: Option<Instant>,
    said: Option<Instant>,
}

/// How often each fault has happened. See [`Faults::counts`](super::Faults::counts).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct FaultCounts {
    /// Calls that failed without being made.
    pub failed: u64,
    /// Results that were held back.
    pub delayed: u64,
    /// Calls that hang without being made.
    pub hung: u64,
    /// Calls that were made and whose result is thrown away.
    pub lost: u64,
}

impl FaultCounts {
    pub(super) const fn add(&mut self, fault: Fault) {
        match fault {
            Fault::Ok => {}
            Fault::Fail => self.failed += 1,
            Fault::Delay(_) => self.delayed += 1,
            Fault::Hang => self.hung += 1,
            Fault::LoseResponse => self.lost += 1,
        }
    }
}

impl<Request, E> Running<Request, E> {
    pub(super) fn new(dice: Dice, closures: Closures<Request, E>, ends: Option<Instant>) -> Self {
        Self { dice, closures: Arc::new(closures), ends, said: None }
    }

    pub(super) fn closures(&self) -> Arc<Closures<Request, E>> {
        Arc::clone(&self.closures)
    }

    pub(super) fn is_of(&self, closures: &Arc<Closures<Request, E>>) -> bool {
        Arc::ptr_eq(&self.closures, closures)
    }

    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.ends.is_some_and(|ends| now >= ends)
    }

    /// Whether it was not said for as long as `every` that it runs. Whoever asks says it.
    pub(super) fn is_to_be_said(&mut self, now: Instant, every: Duration) -> bool {
        let is_due = self.said.is_none_or(|said| now.saturating_duration_since(said) >= every);
        if is_due {
            self.said = Some(now);
        }
        is_due
    }
}
