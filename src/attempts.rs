//! What it took to answer a request.

use std::borrow::Cow;
use std::time::Duration;

use crate::provider::Said;

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
    providers: Vec<Said>,
}

impl Attempts {
    pub(crate) const fn first() -> Self {
        Self { count: 1, reasons: Vec::new(), paused: Duration::ZERO, providers: Vec::new() }
    }

    /// What the providers of a failover said.
    pub(crate) fn at(providers: Vec<Said>) -> Self {
        Self { providers, ..Self::first() }
    }

    /// The same as seen from further out: a failover adds its providers, a retry its attempts.
    pub(crate) fn within(self, mut outer: Self) -> Self {
        if outer.providers.is_empty() {
            outer.providers = self.providers;
            return outer;
        }
        Self { providers: outer.providers, ..self }
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

    /// The providers of a failover that were tried, in their order, and what was wrong with each, as
    /// [`Classify::error_type`](crate::rules::Classify::error_type) names it. Empty where there is no failover. The other
    /// numbers are those of the provider whose result this is.
    #[must_use]
    pub fn providers(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.providers.iter().map(|(name, said)| (&**name, &**said))
    }
}
