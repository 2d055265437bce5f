//! How many attempts a request took, and why.

use std::borrow::Cow;
use std::time::Duration;

use crate::error::Rejection;
use crate::provider::Said;
use crate::rules::Effect;

/// How many reasons are kept: more than anyone reads, and a bound on what a policy of a million attempts can hold.
const MAX_REASONS: usize = 16;

/// How many attempts a request took, why they failed, how long the retries paused, and which one won.
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
    race: Option<Race>,
    providers: Vec<Said>,
}

/// Attempts that ran beside one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Race {
    hedges: u32,
    winner: u32,
}

impl Attempts {
    pub(crate) const fn none() -> Self {
        Self {
            count: 0,
            reasons: Vec::new(),
            paused: Duration::ZERO,
            effect: Effect::NotApplied,
            stopped_by: None,
            race: None,
            providers: Vec::new(),
        }
    }

    /// A first attempt and `hedges` beside it; the result is that of `winner`, where the first is 0.
    pub(crate) fn raced(hedges: u32, winner: u32) -> Self {
        Self { count: hedges.saturating_add(1), race: Some(Race { hedges, winner }), ..Self::none() }
    }

    /// What the `providers` of a failover said, of which `sent` were sent the request.
    pub(crate) fn at(providers: Vec<Said>, sent: u32) -> Self {
        Self { count: sent, providers, ..Self::none() }
    }

    /// The same, of which the last attempt, or the one that won, took `within` by itself.
    #[must_use]
    pub(crate) fn around(mut self, within: &Self) -> Self {
        self.count = self.count.saturating_sub(1).saturating_add(within.count);
        self.paused = self.paused.saturating_add(within.paused);
        for reason in &within.reasons {
            self.add_failed(reason.clone(), within.effect);
        }
        self.stopped_by = self.stopped_by.or_else(|| within.stopped_by.clone());
        self.race = self.race.or(within.race);
        if self.providers.is_empty() {
            self.providers.clone_from(&within.providers);
        }
        self
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

    /// How many attempts were sent, counting the first. What our own layers rejected was not sent. A hedge counts; an
    /// attempt that lost against another counts once.
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

    /// The providers of a failover that were tried, in their order, and what was wrong with each, as
    /// [`Classify::error_type`](crate::rules::Classify::error_type) names it. Empty where there is no failover.
    #[must_use]
    pub fn providers(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.providers.iter().map(|(name, said)| (&**name, &**said))
    }

    /// How many hedges were sent beside the first attempt.
    #[must_use]
    pub const fn hedges(&self) -> u32 {
        match self.race {
            Some(race) => race.hedges,
            None => 0,
        }
    }

    /// Which of the attempts that ran beside one another the result is that of: 0 is the first, 1 the first hedge. `None` if
    /// no hedge was sent.
    #[must_use]
    pub const fn winner(&self) -> Option<u32> {
        match self.race {
            Some(race) => Some(race.winner),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_attempts_of_the_winner_are_counted_with_the_losers() {
        let mut within = Attempts::none();
        within.add_sent();
        within.add_failed("503".into(), Effect::Unknown);
        within.add_pause(Duration::from_secs(1));
        within.add_sent();
        let attempts = Attempts::raced(1, 1).around(&within);
        assert_eq!((attempts.count(), attempts.hedges(), attempts.winner()), (3, 1, Some(1)));
        assert_eq!(attempts.reasons().collect::<Vec<_>>(), ["503"]);
        assert_eq!((attempts.paused(), attempts.effect()), (Duration::from_secs(1), Effect::Unknown));

        let mut retries = Attempts::none();
        retries.add_sent();
        retries.add_failed("timeout".into(), Effect::Unknown);
        retries.add_sent();
        let attempts = retries.around(&Attempts::raced(2, 0));
        assert_eq!((attempts.count(), attempts.hedges(), attempts.winner()), (4, 2, Some(0)));
        assert_eq!(within.winner(), None);
    }
}
