use std::borrow::Cow;

use windbreak::error::Rejection;
use windbreak::rules::{Classify, Discard, Idempotency, Repeat, Replay};
use windbreak::{Effect, Error, Failure, Verdict};

use super::charge::{Answer, Charge, PayError};

/// What the answers of the providers mean, and that a charge is not simply sent again.
#[derive(Debug, Clone, Copy, Default)]
pub struct PayRules;

impl Classify<Answer, Error<PayError>> for PayRules {
    fn classify(&self, result: Result<&Answer, &Error<PayError>>) -> Verdict {
        match result {
            // What is in processing has been taken: its outcome comes with a callback, and the sweep asks for it.
            Ok(Answer::Charged { .. } | Answer::Processing { .. }) => Verdict::Success,
            Ok(Answer::Declined { .. }) => Verdict::Declined,
            Err(error) => match (error.rejection(), error.service()) {
                // What was voided under this key is refused under it for good. Another provider may have it.
                (Some(Rejection::NotApplied { .. }), _) => {
                    Verdict::Failure(Failure::new(Effect::NotApplied).permanent())
                }
                (Some(rejection), _) => rejection.into(),
                (None, Some(error)) if error.overtaken => Verdict::Ignored,
                (None, Some(error)) => {
                    let failure = Failure::new(error.effect);
                    let failure = if error.permanent { failure.permanent() } else { failure };
                    Verdict::Failure(error.retry_after.map_or(failure, |wait| failure.with_retry_after(wait)))
                }
                (None, None) => Verdict::UNKNOWN,
            },
        }
    }

    fn error_type(&self, result: Result<&Answer, &Error<PayError>>) -> Cow<'static, str> {
        match result {
            Ok(Answer::Declined { .. }) => "declined".into(),
            Ok(_) => "ok".into(),
            Err(error) => match (error.rejection(), error.service()) {
                (Some(rejection), _) => rejection.as_str().into(),
                (None, Some(error)) => error.what.into(),
                (None, None) => "_OTHER".into(),
            },
        }
    }
}

impl Repeat<Charge> for PayRules {
    /// It has a key, by which a provider knows a repeat. But where its effect stays unknown it has been written down that it
    /// is voided, and a repeat would be charged to be voided again. So only what certainly did nothing is sent again.
    fn idempotency(&self, _: &Charge) -> Idempotency {
        Idempotency::NotIdempotent
    }
}

impl Replay<Charge> for PayRules {
    fn copy(&self, charge: &Charge) -> Option<Charge> {
        Some(charge.clone())
    }
}

impl Discard<Answer> for PayRules {}

/// Whether a charge that ended in this error may have taken effect anywhere.
pub fn effect(error: &Error<PayError>) -> Effect {
    match PayRules.classify(Err(error)) {
        Verdict::Failure(failure) => failure.effect,
        _ => match (error.rejection(), error.service()) {
            (Some(rejection), _) => rejection.effect(),
            _ => Effect::Unknown,
        },
    }
}
