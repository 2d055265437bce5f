//! Whether a request may go to another provider after this result.

use crate::error::Rejection;
use crate::rules::{Effect, Failure, Idempotency, Verdict};

/// What follows from the result of one provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Course {
    /// The result is the response of the failover, whatever it says.
    Stay,
    /// The provider was not asked: the request was rejected before it was sent.
    NotSent,
    /// The provider failed, and another one may be asked.
    Failed,
}

/// A key, and an idempotent method, hold at one provider only. So a request moves on if it changes nothing, or if this
/// provider certainly did not act on it.
pub(super) fn course(
    verdict: Verdict,
    rejection: Option<&Rejection>,
    idempotency: impl FnOnce() -> Idempotency,
) -> Course {
    match verdict {
        Verdict::Success | Verdict::Declined | Verdict::InProgress { .. } => Course::Stay,
        Verdict::Failure(Failure { effect, .. }) | Verdict::Throttled { effect, .. } => {
            if effect == Effect::NotApplied || idempotency() == Idempotency::Safe {
                Course::Failed
            } else {
                Course::Stay
            }
        }
        // Without a rejection it is the caller's own mistake, which any provider would meet.
        Verdict::Ignored => match rejection {
            Some(rejection) if rejection.effect() == Effect::NotApplied => Course::NotSent,
            _ => Course::Stay,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Every verdict, with every rejection and every idempotency, against the rule in one sentence.
    #[test]
    fn it_moves_on_only_if_that_is_harmless() {
        let failures = [Effect::NotApplied, Effect::Unknown].map(|effect| Verdict::Failure(Failure::new(effect)));
        let verdicts = [
            Verdict::Success,
            Verdict::Declined,
            Verdict::in_progress(None),
            Verdict::throttled(None),
            Verdict::Throttled { effect: Effect::Unknown, retry_after: None },
            Verdict::Ignored,
            failures[0],
            failures[1],
        ];
        let rejections = [
            None,
            Some(Rejection::circuit_open("a", None)),
            Some(Rejection::timeout(Duration::ZERO)),
            Some(Rejection::not_applied("503")),
        ];
        let idempotencies =
            [Idempotency::Safe, Idempotency::Idempotent, Idempotency::Keyed, Idempotency::NotIdempotent];
        for verdict in verdicts {
            for rejection in &rejections {
                for idempotency in idempotencies {
                    let has_no_effect = match verdict {
                        Verdict::Failure(failure) => Some(failure.effect == Effect::NotApplied),
                        Verdict::Throttled { effect, .. } => Some(effect == Effect::NotApplied),
                        _ => None,
                    };
                    let is_sent_back = verdict == Verdict::Ignored
                        && rejection.as_ref().is_some_and(|rejection| rejection.effect() == Effect::NotApplied);
                    let expected = match has_no_effect {
                        Some(true) => Course::Failed,
                        Some(false) if idempotency == Idempotency::Safe => Course::Failed,
                        None if is_sent_back => Course::NotSent,
                        _ => Course::Stay,
                    };
                    let course = course(verdict, rejection.as_ref(), || idempotency);
                    assert_eq!(course, expected, "{verdict:?} {rejection:?} {idempotency:?}");
                }
            }
        }
    }
}
