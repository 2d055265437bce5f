//! Which results make a dead letter, and of what effect.

use crate::rules::{Effect, Failure, Verdict};

/// The effect of a request that failed for good; `None` if it did not fail, or if to send it again could not help. `rejected`
/// is what is known of the effect if a layer rejected it.
pub(super) const fn effect(verdict: Verdict, rejected: Option<Effect>) -> Option<Effect> {
    match verdict {
        Verdict::Success | Verdict::Declined => None,
        Verdict::Failure(Failure { effect, .. }) | Verdict::Throttled { effect, .. } => Some(effect),
        Verdict::InProgress { .. } => Some(Effect::Unknown),
        // Without a rejection it is the caller's own mistake.
        Verdict::Ignored => rejected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_is_kept_with_its_effect() {
        let (open, timeout) = (Some(Effect::NotApplied), Some(Effect::Unknown));
        let not_applied = Failure::new(Effect::NotApplied);
        let rows = [
            (Verdict::Success, None, None),
            (Verdict::Declined, None, None),
            (Verdict::Ignored, None, None),
            (Verdict::Ignored, open, Some(Effect::NotApplied)),
            (Verdict::Ignored, timeout, Some(Effect::Unknown)),
            (Verdict::UNKNOWN, timeout, Some(Effect::Unknown)),
            (Verdict::UNKNOWN, None, Some(Effect::Unknown)),
            (Verdict::Failure(not_applied), None, Some(Effect::NotApplied)),
            (Verdict::Failure(not_applied.permanent()), None, Some(Effect::NotApplied)),
            (Verdict::throttled(None), None, Some(Effect::NotApplied)),
            (Verdict::Throttled { effect: Effect::Unknown, retry_after: None }, None, Some(Effect::Unknown)),
            (Verdict::in_progress(None), None, Some(Effect::Unknown)),
        ];
        for (verdict, rejected, expected) in rows {
            assert_eq!(effect(verdict, rejected), expected, "{verdict:?} {rejected:?}");
        }
    }
}
