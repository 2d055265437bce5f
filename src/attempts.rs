//! How many attempts a request took, and why.

use std::borrow::Cow;
use std::time::Duration;

use crate::error::Rejection;
use crate::rules::Effect;

/// How many reasons are kept: more than anyone reads, and a bound on what a policy of a million attempts can hold.
const MAX_REASONS: usize = 16;

/// How many attempts a request took, why they failed, and how long the retries paused.
///
/// A response of HTTP that took more than one attempt carries it as an extension; an error has it in
/// [`Error::attempts`](crate::Error::attempts).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempts {
    count: u32,
    reasons: Vec<Cow<'static, str>>,
    paused: Duration,
    effect: Effect,
    stopped_by: Option<Rejection>,
}

impl Attempts {
    pub(crate) const fn none() -> Self {
        Self { count: 0, reasons: Vec::new(), paused: Duration::ZERO, effect: Effect::NotApplied, stopped_by: None }
    }

    /// Counts an attempt that was sent.
    pub(crate) const fn add_sent(&mut self) {
        self.count = self.count.saturating_add(1);
    }

    /// Notes why an attempt failed that another is to follow, and whether it may have taken effect.
    pub(crate) fn add_failed(&mut self, reason: Cow<'static, str>, effect: Effect) {
        if self.reasons.len() == MAX_REASONS {
            self.reasons.remove(0);
        }
        self.reasons.push(reason);
        if effect == Effect::Unknown {
            self.effect = effect;
        }
    }

    pub(crate) const fn add_pause(&mut self, pause: Duration) {
        self.paused = self.paused.saturating_add(pause);
    }

    pub(crate) fn set_stopped_by(&mut self, rejection: Rejection) {
        self.stopped_by = Some(rejection);
    }

    /// How many attempts were sent, counting the first. What our own layers rejected was not sent.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Why attempts were not good enough that others followed or were to follow, as
    /// [`Classify::error_type`](crate::rules::Classify::error_type) names it, in their order. Only the latest 16 are kept.
    #[must_use]
    pub fn reasons(&self) -> impl ExactSizeIterator<Item = &str> {
        self.reasons.iter().map(|reason| &**reason)
    }

    /// The pauses between the attempts, added up.
    #[must_use]
    pub const fn paused(&self) -> Duration {
        self.paused
    }

    /// Whether any of the attempts that [`reasons`](Self::reasons) tells of may have taken effect.
    #[must_use]
    pub const fn effect(&self) -> Effect {
        self.effect
    }

    /// Why a further attempt, which was to be made, was not sent: the rejection by our own layers.
    #[must_use]
    pub const fn stopped_by(&self) -> Option<&Rejection> {
        self.stopped_by.as_ref()
    }
}
