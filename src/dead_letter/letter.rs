use std::borrow::Cow;

use tokio::time::Instant;

use crate::attempts::Attempts;
use crate::rules::{Effect, Verdict};

/// A request that failed for good, and what is known of it.
///
/// **Before a letter with an [unknown](Effect::Unknown) effect is replayed, ask the upstream whether the request took
/// effect**, as [`verify`](crate::verify) does. Sent again unasked, it may take effect twice; a key protects from that only
/// at the same upstream, and only while the upstream remembers the key.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct DeadLetter<Request> {
    /// The request, as it came to the layer.
    pub request: Request,
    /// What the rules say of the result.
    pub verdict: Verdict,
    /// Whether the request may have taken effect. Only [`NotApplied`](Effect::NotApplied) may be replayed unasked.
    pub effect: Effect,
    /// What was wrong, in a short word, as [`Classify::error_type`](crate::rules::Classify::error_type) names it.
    pub error_type: Cow<'static, str>,
    /// What was tried, where the error says so.
    pub attempts: Option<Attempts>,
    /// When it failed. A sink that writes it down knows the time of the day better than a layer does.
    pub at: Instant,
}

impl<Request> DeadLetter<Request> {
    /// Whether the upstream must be asked before a replay.
    #[must_use]
    pub fn must_be_verified(&self) -> bool {
        self.effect != Effect::NotApplied
    }
}
