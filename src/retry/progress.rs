//! How far one request has come, and what is known of the attempts of it that were sent.

use std::borrow::Cow;

use crate::attempts::Attempts;
use crate::backoff::Waits;
use crate::error::{Rejectable, Rejection};
use crate::rules::{Effect, Idempotency, Verdict};

/// Of a request that needs more than one attempt.
#[derive(Debug)]
pub(super) struct Progress<E> {
    /// How many attempts were begun that use up the policy's, counting the first.
    pub(super) tries: u32,
    pub(super) waits: Waits,
    /// How often, one after the other, a further attempt was rejected and waited.
    pub(super) rejected: u32,
    /// Whether a retry has been made that nobody paid for.
    pub(super) had_free: bool,
    /// How harmful it is to send the request again.
    pub(super) idempotency: Idempotency,
    pub(super) attempts: Attempts,
    /// The result of the attempt that says the most of those that were sent.
    known: Known<E>,
}

#[derive(Debug)]
enum Known<E> {
    Nothing,
    Error(E),
    /// A response, which is discarded.
    Response(Cow<'static, str>),
}

impl<E> Progress<E> {
    pub(super) const fn new() -> Self {
        Self {
            tries: 1,
            waits: Waits::new(),
            rejected: 0,
            had_free: false,
            idempotency: Idempotency::NotIdempotent,
            attempts: Attempts::none(),
            known: Known::Nothing,
        }
    }

    /// Whether an attempt came before that may have taken effect, where this one certainly did not, so that the result of
    /// this one alone would say too little. What changes nothing has no effect to be told of.
    fn would_hide(&self, effect: Effect) -> bool {
        effect == Effect::NotApplied
            && self.attempts.effect() == Effect::Unknown
            && self.idempotency != Idempotency::Safe
            && !matches!(self.known, Known::Nothing)
    }

    /// Whether a further attempt is one of a request that may have taken effect, and for which that matters.
    pub(super) fn may_have_acted(&self) -> bool {
        self.attempts.count() > 0 && self.attempts.effect() == Effect::Unknown && self.idempotency != Idempotency::Safe
    }

    /// Keeps the error of an attempt that was sent and that another is to follow.
    pub(super) fn keep_error(&mut self, error: E, effect: Effect) {
        if !self.would_hide(effect) {
            self.known = Known::Error(error);
        }
    }

    /// Keeps in mind that a response of the effect is discarded.
    pub(super) fn keep_response(&mut self, reason: Cow<'static, str>, effect: Effect) {
        if !self.would_hide(effect) {
            self.known = Known::Response(reason);
        }
    }

    /// Whether `effect`, of the last attempt, is to be returned as what is known of an earlier one. `None` is of an
    /// attempt that was not sent.
    pub(super) fn is_better_known(&self, effect: Option<Effect>) -> bool {
        match effect {
            None => !matches!(self.known, Known::Nothing),
            Some(effect) => self.would_hide(effect),
        }
    }
}

impl<E: Rejectable> Progress<E> {
    /// What is known of the attempts that were sent, where `rejection` stopped a further one.
    pub(super) fn into_known(self, rejection: Rejection) -> Option<E> {
        let Self { mut attempts, known, .. } = self;
        let error = match known {
            Known::Nothing => return None,
            Known::Error(error) => error,
            Known::Response(last) => {
                E::from(Rejection::retry_stopped(attempts.count(), last, attempts.effect(), rejection.clone()))
            }
        };
        attempts.set_stopped_by(rejection);
        Some(error.with_attempts(attempts))
    }
}

/// Whether the attempt that `verdict` judges may have taken effect.
pub(super) const fn effect_of(verdict: Verdict) -> Effect {
    match verdict {
        Verdict::Failure(failure) => failure.effect,
        Verdict::Throttled { effect, .. } => effect,
        // An earlier attempt is at work, or has done what it was to do.
        Verdict::InProgress { .. } | Verdict::Success | Verdict::Declined | Verdict::Ignored => Effect::Unknown,
    }
}

/// The rejection by which one of our own layers kept an attempt from being sent, whatever the rules think of it.
pub(super) fn rejection_of<T, E: Rejectable>(result: &Result<T, E>) -> Option<&Rejection> {
    let rejection = result.as_ref().err()?.own_rejection()?;
    matches!(Verdict::from(rejection), Verdict::Ignored).then_some(rejection)
}
