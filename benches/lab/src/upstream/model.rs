use std::time::Duration;

use rand::rngs::SmallRng;

use super::fault::Fault;

/// How an upstream that is not well enough to work says so: at once.
pub(super) const QUICK: Duration = Duration::from_millis(2);

/// The core of an upstream.
pub(crate) trait Model: Send {
    /// An attempt arrives.
    fn arrive(&mut self, attempt: Attempt, now: Duration, rng: &mut SmallRng) -> Step;

    /// Looks again at an attempt that was told to [`Step::Look`].
    fn look(&mut self, _: Attempt, _: Duration, _: &mut SmallRng) -> Step {
        Step::Hang
    }

    /// An attempt has its response, or its client has gone. Called once for each that arrived.
    fn leave(&mut self, _: Attempt, _: Duration) {}

    /// How likely it is that a request which came now would be answered well: 0 to 1.
    fn would_answer(&self, request: u64, now: Duration) -> f64;
}

/// One attempt of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// Tells the attempts apart.
    pub(crate) ticket: u64,
    /// The request that it is an attempt of.
    pub(crate) request: u64,
}

/// What becomes of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The response, after a while. Whether the work is done is settled now: the upstream does not notice that a client
    /// has gone.
    Reply { after: Duration, reply: Reply },
    /// It is not decided yet: look again after a while.
    Look { after: Duration },
    /// There will never be a response.
    Hang,
    /// There will never be a response, though the work is done.
    HangAfterEffect,
}

/// A response, or an error of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) outcome: Outcome,
    /// Whether the upstream did what it was asked.
    pub(crate) applied: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Status(u16),
    /// With `Retry-After`, which counts whole seconds.
    StatusRetryAfter(u16, u64),
    Fault(Fault),
}

impl Step {
    /// The work is done, and the response is a good one.
    pub(super) fn well(after: Duration) -> Self {
        Self::Reply { after, reply: Reply { outcome: Outcome::Status(200), applied: true } }
    }

    /// No work was done, and the response says so at once.
    pub(super) fn no(outcome: Outcome) -> Self {
        Self::Reply { after: QUICK, reply: Reply { outcome, applied: false } }
    }
}
