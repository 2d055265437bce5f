use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A request of which it stays unknown whether it took effect.
///
/// The caller gets the failure as it was. Keep this for whoever settles it later: by asking again, not by sending the
/// request again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unsettled<Request> {
    /// The request. `None` if the rules could make no copy of it.
    pub request: Option<Request>,
    /// Why it failed, as [`Classify::error_type`](crate::rules::Classify::error_type) names it.
    pub error_type: Arc<str>,
    /// Why the question did not settle it.
    pub reason: Reason,
    /// What the void said when it failed, if there was one.
    pub void_error: Option<String>,
}

/// Why a request could not be settled.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The rules could make no copy of the request, as of one whose body streams; so the question was not asked.
    NoCopy,
    /// The deadline left no time to ask, or to ask again.
    NoTime,
    /// The upstream was still at work on it when it was asked for the last time.
    InProgress,
    /// The upstream does not know, or nobody was to be asked.
    Unknown,
    /// The question failed with an error.
    #[non_exhaustive]
    Failed {
        /// The error and its sources.
        error: String,
    },
    /// The question panicked.
    #[non_exhaustive]
    Panicked {
        /// What the panic said.
        message: String,
    },
    /// The question did not end in time.
    #[non_exhaustive]
    TimedOut {
        /// The timeout, or what the deadline left of it.
        limit: Duration,
    },
    /// The future was dropped before the question had ended.
    Dropped,
}

impl Reason {
    /// A short name: `no_copy`, `no_time`, `in_progress`, `unknown`, `failed`, `panicked`, `timed_out` or `dropped`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::NoCopy => "no_copy",
            Self::NoTime => "no_time",
            Self::InProgress => "in_progress",
            Self::Unknown => "unknown",
            Self::Failed { .. } => "failed",
            Self::Panicked { .. } => "panicked",
            Self::TimedOut { .. } => "timed_out",
            Self::Dropped => "dropped",
        }
    }

    /// The same, of a void.
    pub(super) fn of_a_void(&self) -> String {
        match self {
            Self::Panicked { message } => format!("panicked: {message}"),
            Self::TimedOut { limit } => format!("no response within {limit:?}"),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCopy => f.write_str("the request could not be copied"),
            Self::NoTime => f.write_str("the deadline left no time to ask"),
            Self::InProgress => f.write_str("the upstream is still at work on it"),
            Self::Unknown => f.write_str("the upstream does not know"),
            Self::Failed { error } => write!(f, "the question failed: {error}"),
            Self::Panicked { message } => write!(f, "the question panicked: {message}"),
            Self::TimedOut { limit } => write!(f, "the question was not answered within {limit:?}"),
            Self::Dropped => f.write_str("dropped before the question was answered"),
        }
    }
}
