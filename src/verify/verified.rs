use std::sync::Arc;
use std::time::Duration;

/// What the upstream says became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verified<T> {
    /// The request took effect, or was declined for good: this is its response, which the caller gets.
    Applied(T),
    /// The request did not take effect, **and will not**. That an upstream does not find it is not enough: the request may
    /// still arrive. See [the module](super#not-found-is-not-will-not-apply).
    NotApplied,
    /// The upstream is still at work on it. The question is asked again, after a pause.
    #[non_exhaustive]
    InProgress {
        /// How long the upstream asks to wait, if it said so.
        retry_after: Option<Duration>,
    },
    /// The upstream does not know, or did not say.
    Unknown,
}

impl<T> Verified<T> {
    /// At work on it.
    #[must_use]
    pub const fn in_progress(retry_after: Option<Duration>) -> Self {
        Self::InProgress { retry_after }
    }
}

/// The failure that a question is about.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failed {
    /// Why the request failed, as [`Classify::error_type`](crate::rules::Classify::error_type) names it: `timeout`, `503`.
    pub error_type: Arc<str>,
    /// How often the question was asked before.
    pub asked_before: u32,
}
