//! What it took to answer a request.

use std::borrow::Cow;
use std::time::Duration;

/// How many reasons are kept: more than anyone reads, and a bound on what a policy of a million attempts can hold.
const MAX_REASONS: usize = 16;

/// How many attempts a request took, why each but the last was not good enough, and how long the retries paused.
///
/// A response of HTTP that took more than one attempt carries it as an extension; an error has it in
/// [`Error::attempts`](crate::Error::attempts).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempts {
    count: u32,
    reasons: Vec<Cow<'static, str>>,
    paused: Duration,
}

impl Attempts {
    pub(crate) const fn first() -> Self {
        Self { count: 1, reasons: Vec::new(), paused: Duration::ZERO }
    }

    /// Adds an attempt, made because the one before it failed for `reason`, after a pause.
    pub(crate) fn add(&mut self, reason: Cow<'static, str>, pause: Duration) {
        if self.reasons.len() == MAX_REASONS {
            self.reasons.remove(0);
        }
        self.reasons.push(reason);
        self.count = self.count.saturating_add(1);
        self.paused = self.paused.saturating_add(pause);
    }

    /// How many attempts were made, counting the first.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Why attempts were not good enough, as [`Classify::error_type`](crate::rules::Classify::error_type) names it, in
    /// their order and without the last attempt. Only the latest 16 are kept.
    pub fn reasons(&self) -> impl ExactSizeIterator<Item = &str> {
        self.reasons.iter().map(|reason| &**reason)
    }

    /// The pauses between the attempts, added up.
    #[must_use]
    pub const fn paused(&self) -> Duration {
        self.paused
    }
}
