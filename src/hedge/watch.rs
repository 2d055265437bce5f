use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::quantile::Lasted;
use super::shared::Shared;
use crate::error::Rejectable;
use crate::instance::Pointer;
use crate::rules::{Classify, Effect, Verdict};

/// Watches a first attempt. If it is dropped before it ended, the attempt took at least the time until then.
pub(super) struct Watch<S, R> {
    shared: Pointer<Arc<Shared<S, R>>>,
    /// `None` once it has ended.
    started: Option<Instant>,
}

impl<S, R> Watch<S, R> {
    #[inline]
    pub(super) const fn new(shared: Pointer<Arc<Shared<S, R>>>, started: Instant) -> Self {
        Self { shared, started: Some(started) }
    }

    #[inline]
    pub(super) fn shared(&self) -> &Shared<S, R> {
        &self.shared
    }

    /// The attempt has ended. Says whether its result decides, if that is asked.
    #[inline]
    pub(super) fn ended<T, E>(&mut self, result: Result<&T, &E>, is_asked: bool) -> bool
    where
        E: Rejectable,
        R: Classify<T, E>,
    {
        if was_sent(result) {
            self.shared.deposit();
        }
        let started = self.started.take();
        let is_learning = self.shared.hedging().is_learning();
        if !is_asked && !is_learning {
            return true;
        }
        let is_good = decides(self.shared.rules().classify(result));
        if let (true, Some(started)) = (is_learning, started) {
            // A response may come at any moment after a failure.
            let lasted = if is_good { Lasted::Exactly } else { Lasted::AtLeast };
            self.shared.hedging().record(lasted(started.elapsed()));
        }
        is_good
    }
}

impl<S, R> Drop for Watch<S, R> {
    fn drop(&mut self) {
        if let Some(started) = self.started {
            let elapsed = started.elapsed();
            if elapsed > Duration::ZERO && self.shared.hedging().is_learning() {
                self.shared.hedging().record(Lasted::AtLeast(elapsed));
            }
        }
    }
}

/// Whether a result ends the race.
pub(super) const fn decides(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Success | Verdict::Declined)
}

/// What our own layers rejected is no load.
fn was_sent<T, E: Rejectable>(result: Result<&T, &E>) -> bool {
    match result {
        Ok(_) => true,
        Err(error) => error.rejection().is_none_or(|rejection| rejection.effect() == Effect::Unknown),
    }
}
