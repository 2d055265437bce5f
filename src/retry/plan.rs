//! Whether there is to be another attempt, and after which pause.

use std::time::Duration;

use tokio::time::Instant;

use super::policy::RetryPolicy;
use super::progress::{Progress, effect_of};
use crate::rules::{Effect, Idempotency, Verdict};

/// How often, one after the other, a further attempt that our own layers reject waits and tries again. One wait ends
/// when a circuit lets its first probes pass; with two more a request outlives an outage that the first probes still met.
const MAX_WAITS: u32 = 3;

/// What bounds the pauses of a request besides the policy.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// When the request started, where there is a bound on the time elapsed.
    pub(super) started: Option<Instant>,
    pub(super) deadline: Option<Instant>,
    /// How long our own layers below reject requests, where the attempt that just ended said so.
    pub(super) refusing_for: Option<Duration>,
}

impl RetryPolicy {
    /// The pause after a failed attempt; `None` if there is to be no other. Not yet paid for.
    pub(super) fn pause_after_failure<E>(
        &self,
        verdict: Verdict,
        progress: &mut Progress<E>,
        bounds: Bounds,
    ) -> Option<Duration> {
        let safe = match verdict {
            Verdict::Failure(failure) if failure.permanent => false,
            Verdict::Failure(_) | Verdict::Throttled { .. } => {
                effect_of(verdict) == Effect::NotApplied || progress.idempotency.is_repeatable()
            }
            Verdict::InProgress { .. } => progress.idempotency == Idempotency::Keyed,
            Verdict::Success | Verdict::Declined | Verdict::Ignored => false,
        };
        if !safe || progress.tries >= self.numbers().max_attempts {
            return None;
        }
        let waits_for_circuit = self.numbers().wait_for_circuit;
        let wait = verdict.retry_after().max(bounds.refusing_for.filter(|_| waits_for_circuit));
        let pause = self.pause(wait, progress, bounds)?;
        // To sleep now would be to sleep until the rejection.
        (waits_for_circuit || bounds.refusing_for.is_none_or(|wait| wait <= pause)).then_some(pause)
    }

    /// The pause after a further attempt that our own layers rejected for `wait`. Nothing was sent: there is nothing
    /// to pay for, and it uses up no attempt.
    pub(super) fn pause_after_rejection<E>(
        &self,
        wait: Duration,
        progress: &mut Progress<E>,
        bounds: Bounds,
    ) -> Option<Duration> {
        if !self.numbers().wait_for_circuit || progress.rejected >= MAX_WAITS {
            return None;
        }
        let pause = self.pause(Some(wait), progress, bounds)?;
        progress.rejected += 1;
        Some(pause)
    }

    /// `wait`, spread, and the jittered backoff, if that ends in time.
    fn pause<E>(&self, wait: Option<Duration>, progress: &mut Progress<E>, bounds: Bounds) -> Option<Duration> {
        let numbers = self.numbers();
        let wait = wait.unwrap_or_default();
        if wait > numbers.max_retry_after {
            return None;
        }
        // Added, so that callers who were told the same moment do not all come back at it.
        let pause = self.draw(&mut progress.waits, wait).saturating_add(wait);
        if let (Some(max_elapsed), Some(started)) = (numbers.max_elapsed, bounds.started) {
            if started.elapsed().saturating_add(pause) > max_elapsed {
                return None;
            }
        }
        // To sleep past the deadline would be to sleep until nobody waits any more.
        let is_late = |deadline| Instant::now().checked_add(pause).is_none_or(|end| end >= deadline);
        (!bounds.deadline.is_some_and(is_late)).then_some(pause)
    }
}
