use std::time::Duration;

/// What the result of an attempt says of the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The upstream did what it was asked to do.
    Success,
    /// The upstream is unwell. Counts against the circuit. Retried if that is safe and the failure is not permanent.
    Failure(Failure),
    /// The upstream is well and says no: a 404, a declined card. A success for the circuit; never retried.
    Declined,
    /// The upstream is well and wants fewer requests, as with a 429. A success for the circuit; retried after the wait;
    /// shrinks adaptive limits.
    #[non_exhaustive]
    Throttled {
        /// Whether the attempt may have taken effect. [`NotApplied`](Effect::NotApplied), unless a redirect may stand
        /// between the request and this response.
        effect: Effect,
        /// How long the upstream asks to wait, if it said so.
        retry_after: Option<Duration>,
    },
    /// The upstream is well and still at work on an earlier attempt of the same request. A success for the circuit;
    /// retried only if the upstream recognises a repeat ([`Idempotency::Keyed`](super::Idempotency::Keyed)).
    #[non_exhaustive]
    InProgress {
        /// How long the upstream asks to wait, if it said so.
        retry_after: Option<Duration>,
    },
    /// Says nothing of the upstream: our own rejections and the caller's own mistakes. Neither counted nor retried.
    Ignored,
}

impl Verdict {
    /// A failure that may have taken effect.
    pub const UNKNOWN: Self = Self::Failure(Failure::new(Effect::Unknown));

    /// Throttled, without effect.
    #[must_use]
    pub const fn throttled(retry_after: Option<Duration>) -> Self {
        Self::Throttled { effect: Effect::NotApplied, retry_after }
    }

    /// At work on an earlier attempt.
    #[must_use]
    pub const fn in_progress(retry_after: Option<Duration>) -> Self {
        Self::InProgress { retry_after }
    }

    /// How long the upstream asks to wait, if it said so.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Failure(failure) => failure.retry_after,
            Self::Throttled { retry_after, .. } | Self::InProgress { retry_after } => *retry_after,
            Self::Success | Self::Declined | Self::Ignored => None,
        }
    }
}

/// A failed attempt, and what is known of it.
///
/// ```
/// use std::time::Duration;
/// use windbreak::{Effect, Failure};
///
/// let maintenance =
///     Failure::new(Effect::NotApplied).with_retry_after(Duration::from_secs(30));
/// assert_eq!(maintenance.retry_after, Some(Duration::from_secs(30)));
/// assert!(!maintenance.permanent);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// Whether the attempt may have taken effect at the upstream.
    pub effect: Effect,
    /// How long the upstream asks to wait, if it said so.
    pub retry_after: Option<Duration>,
    /// A further attempt would fail in the same way, as with a certificate that is not valid. Never retried.
    pub permanent: bool,
    /// The attempt cost the upstream nothing: it was refused before anything of it was worked on, as an HTTP/2 stream with
    /// `REFUSED_STREAM`, or met a pooled connection that was closed. The first retry after such a failure is not paid
    /// from the budget. Holds only where `effect` is [`NotApplied`](Effect::NotApplied).
    pub free: bool,
}

impl Failure {
    /// A failure that may pass, of which the upstream did not say when to try again.
    #[must_use]
    pub const fn new(effect: Effect) -> Self {
        Self { effect, retry_after: None, permanent: false, free: false }
    }

    /// The same failure, after which the upstream asks to wait.
    #[must_use]
    pub const fn with_retry_after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }

    /// The same failure, which a further attempt would meet again.
    #[must_use]
    pub const fn permanent(self) -> Self {
        Self { permanent: true, ..self }
    }

    /// The same failure, which cost the upstream nothing.
    #[must_use]
    pub const fn free(self) -> Self {
        Self { free: true, ..self }
    }
}

/// Whether an attempt changed anything at the upstream.
///
/// This is what makes a retry safe: an order that was certainly not placed may be placed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Effect {
    /// The upstream did not act on the request: the connection was refused, or it said so.
    NotApplied,
    /// The upstream may have acted: the connection broke, or the time ran out, while the request was under way.
    Unknown,
}
