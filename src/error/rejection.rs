use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::rules::{Effect, Failure, Verdict};

/// Why a layer returned an error of its own instead of a response.
///
/// Cheap to clone: what it holds is shared. The functions that make one are for tests of your own, and for layers of
/// your own that reject in the same words.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejection {
    /// No response came in time. The upstream may or may not have done what it was asked to do.
    #[non_exhaustive]
    Timeout {
        /// The timeout that elapsed.
        limit: Duration,
    },
    /// The circuit is open. The request was not sent.
    #[non_exhaustive]
    CircuitOpen {
        /// The name of the circuit.
        name: Arc<str>,
        /// How long until the circuit admits a request again. `None` where nobody can say: all probes are in flight, or
        /// an operator holds the circuit open.
        retry_after: Option<Duration>,
        /// What the last failure before it opened was, in a short word such as `timeout` or `503`, where that is known.
        cause: Option<Arc<str>>,
    },
    /// All permits of the bulkhead were taken, and its queue, if it has one, was full. The request was not sent.
    #[non_exhaustive]
    BulkheadFull {
        /// How many requests may be in flight at once.
        limit: usize,
    },
    /// No permit came free while the request queued. The request was not sent.
    #[non_exhaustive]
    BulkheadTimeout {
        /// How many requests may be in flight at once.
        limit: usize,
        /// How long the request queued.
        max_wait: Duration,
    },
    /// The rate limit admits no request now. The request was not sent.
    #[non_exhaustive]
    RateLimited {
        /// How long until it admits this request, if no other comes first. `None` if it never will, because the request
        /// costs more than the limit ever holds.
        retry_after: Option<Duration>,
    },
    /// The throttle rejected the request, because the upstream accepts too few of its requests. The request was not sent.
    #[non_exhaustive]
    Throttled {
        /// The name of the throttle.
        name: Arc<str>,
    },
    /// The request was sent, failed, and was to be sent again; but windbreak rejected the further attempt. The response
    /// of the last attempt is already discarded.
    #[non_exhaustive]
    RetryStopped {
        /// How many attempts were sent.
        attempts: u32,
        /// Why the last of them failed, as [`Classify::error_type`](crate::rules::Classify::error_type) names it.
        last: Arc<str>,
        /// Whether any of them may have taken effect.
        effect: Effect,
        /// The rejection of the further attempt.
        stopped_by: Box<Self>,
    },
    /// The request failed, and it was then made sure that it did not take effect and will not.
    #[non_exhaustive]
    NotApplied {
        /// Why it failed, as [`Classify::error_type`](crate::rules::Classify::error_type) names it.
        failed: Arc<str>,
    },
    /// Every provider rejected the request before it was sent; or it was a further attempt, by a retry above, of one that may
    /// have taken effect at some provider, and so none got it.
    #[non_exhaustive]
    AllUnavailable {
        /// The name of the failover.
        name: Arc<str>,
        /// How long until the first of them may admit a request, where that is known.
        retry_after: Option<Duration>,
    },
    /// The request came from the code that was making the layer of its own key. It was not sent.
    LayerUnfinished,
}

impl Rejection {
    /// No response within `limit`.
    #[must_use]
    pub const fn timeout(limit: Duration) -> Self {
        Self::Timeout { limit }
    }

    /// The circuit `name` is open, for as long as `retry_after` says.
    #[must_use]
    pub fn circuit_open(name: impl Into<Arc<str>>, retry_after: Option<Duration>) -> Self {
        Self::CircuitOpen { name: name.into(), retry_after, cause: None }
    }

    /// `limit` requests are in flight, and the queue is full.
    #[must_use]
    pub const fn bulkhead_full(limit: usize) -> Self {
        Self::BulkheadFull { limit }
    }

    /// `limit` requests were in flight for all of `max_wait`.
    #[must_use]
    pub const fn bulkhead_timeout(limit: usize, max_wait: Duration) -> Self {
        Self::BulkheadTimeout { limit, max_wait }
    }

    /// The rate limit admits the request after `retry_after`, or never.
    #[must_use]
    pub const fn rate_limited(retry_after: Option<Duration>) -> Self {
        Self::RateLimited { retry_after }
    }

    /// The throttle `name` holds the request back.
    #[must_use]
    pub fn throttled(name: impl Into<Arc<str>>) -> Self {
        Self::Throttled { name: name.into() }
    }

    /// After `attempts` attempts, of which the last failed for `last`, a further one was rejected.
    #[must_use]
    pub fn retry_stopped(attempts: u32, last: impl Into<Arc<str>>, effect: Effect, stopped_by: Self) -> Self {
        Self::RetryStopped { attempts, last: last.into(), effect, stopped_by: Box::new(stopped_by) }
    }

    /// The request failed for `failed`, and certainly did not take effect.
    #[must_use]
    pub fn not_applied(failed: impl Into<Arc<str>>) -> Self {
        Self::NotApplied { failed: failed.into() }
    }

    /// No provider of the failover `name` is available, the first of them maybe after `retry_after`.
    #[must_use]
    pub fn all_unavailable(name: impl Into<Arc<str>>, retry_after: Option<Duration>) -> Self {
        Self::AllUnavailable { name: name.into(), retry_after }
    }

    /// A short name: `timeout`, `circuit_open`, `bulkhead_full`, `bulkhead_timeout`, `rate_limited`,
    /// `throttled`, `retry_stopped`, `not_applied`, `all_unavailable` or `layer_unfinished`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Timeout { .. } => "timeout",
            Self::CircuitOpen { .. } => "circuit_open",
            Self::BulkheadFull { .. } => "bulkhead_full",
            Self::BulkheadTimeout { .. } => "bulkhead_timeout",
            Self::RateLimited { .. } => "rate_limited",
            Self::Throttled { .. } => "throttled",
            Self::RetryStopped { .. } => "retry_stopped",
            Self::NotApplied { .. } => "not_applied",
            Self::AllUnavailable { .. } => "all_unavailable",
            Self::LayerUnfinished => "layer_unfinished",
        }
    }

    /// How long to wait before trying again, where the layer that rejected the request knows it.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::CircuitOpen { retry_after, .. }
            | Self::RateLimited { retry_after }
            | Self::AllUnavailable { retry_after, .. } => *retry_after,
            Self::RetryStopped { stopped_by, .. } => stopped_by.retry_after(),
            _ => None,
        }
    }

    /// Whether the request may have taken effect at the upstream: after a timeout nobody knows, and
    /// [`RetryStopped`](Self::RetryStopped) says it; all others did not send it, or made sure that it did nothing.
    #[must_use]
    pub const fn effect(&self) -> Effect {
        match self {
            Self::Timeout { .. } => Effect::Unknown,
            Self::RetryStopped { effect, .. } => *effect,
            _ => Effect::NotApplied,
        }
    }

    /// The rejection in `error` or in the chain of its sources: also inside an `io::Error`, an [`Error`](super::Error),
    /// and the errors that clients such as reqwest make of them.
    #[must_use]
    pub fn find_in<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(rejection) = error.downcast_ref() {
                return Some(rejection);
            }
            next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
                // An `io::Error` names as its source that of the error within, not the error itself.
                Some(within) => Some(within),
                None => error.source(),
            };
        }
        None
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout { limit } => write!(f, "no response within {limit:?}"),
            Self::CircuitOpen { name, cause: None, .. } => write!(f, "circuit `{name}` is open"),
            Self::CircuitOpen { name, cause: Some(cause), .. } => {
                write!(f, "circuit `{name}` is open, the last failure was {cause}")
            }
            Self::BulkheadFull { limit } => write!(f, "the limit of {} in flight is reached", Requests(*limit)),
            Self::BulkheadTimeout { limit, max_wait } => {
                write!(f, "the limit of {} in flight was reached for {max_wait:?}", Requests(*limit))
            }
            Self::RateLimited { retry_after: Some(wait) } => {
                write!(f, "the rate limit admits no request for {wait:?}")
            }
            Self::RateLimited { retry_after: None } => {
                f.write_str("the request costs more than the rate limit ever admits")
            }
            Self::Throttled { name } => write!(f, "the upstream of `{name}` is overloaded"),
            Self::RetryStopped { attempts, last, effect, stopped_by } => {
                let effect = match effect {
                    Effect::NotApplied => "without effect",
                    Effect::Unknown => "may have taken effect",
                };
                let attempts = Attempts(*attempts);
                write!(f, "{attempts} failed, {effect}, the last with {last}; no further one: {stopped_by}")
            }
            Self::NotApplied { failed } => write!(f, "the request failed with {failed}, and did not take effect"),
            Self::AllUnavailable { name, .. } => write!(f, "no provider of `{name}` is available"),
            Self::LayerUnfinished => {
                f.write_str("the layer of this key is not finished: the request came from the code that makes it")
            }
        }
    }
}

struct Requests(usize);

impl fmt::Display for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 1 { f.write_str("1 request") } else { write!(f, "{} requests", self.0) }
    }
}

struct Attempts(u32);

impl fmt::Display for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 1 { f.write_str("1 attempt") } else { write!(f, "{} attempts", self.0) }
    }
}

impl StdError for Rejection {}

impl From<&Rejection> for Verdict {
    /// What a rejection by a layer below says of the upstream: a timeout is a failure of unknown effect; what was sent
    /// and failed is a failure of the effect that is known; a request that was not sent says nothing.
    fn from(rejection: &Rejection) -> Self {
        match rejection {
            Rejection::Timeout { .. } | Rejection::RetryStopped { .. } | Rejection::NotApplied { .. } => {
                Self::Failure(Failure::new(rejection.effect()))
            }
            _ => Self::Ignored,
        }
    }
}
