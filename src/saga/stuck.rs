use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A step that may have taken effect and was not undone: a person has to look at it.
///
/// `Display` is one line for that person: the step, its note, and the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stuck {
    /// The name of the step.
    pub step: Arc<str>,
    /// What the step's [`note`](super::Step::note) says, if it has one.
    pub note: Option<Arc<str>>,
    /// Why it is stuck.
    pub reason: Reason,
}

/// Why a step is [`Stuck`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The step failed and may have taken effect, and it has no `undo_if_unknown`.
    #[error("it may have taken effect, and it has no `undo_if_unknown`")]
    EffectUnknown,
    /// Every attempt of the undo failed.
    #[error("its undo failed {attempts} times, the last time with: {error}")]
    #[non_exhaustive]
    Failed {
        /// How many attempts were made.
        attempts: u32,
        /// The error of the last attempt, with its sources.
        error: String,
    },
    /// The undo panicked. It is not tried again.
    #[error("its undo panicked: {message}")]
    #[non_exhaustive]
    Panicked {
        /// What the panic said.
        message: String,
    },
    /// The undo did not end in time, with all its attempts and pauses. It may or may not have taken effect.
    #[error("its undo did not end within {limit:?}{}", last(.error.as_deref()))]
    #[non_exhaustive]
    TimedOut {
        /// The bound of the [`UndoPolicy`](super::UndoPolicy).
        limit: Duration,
        /// The error of the last attempt that ended, with its sources, if one did.
        error: Option<String>,
    },
}

impl Stuck {
    pub(super) const fn new(step: Arc<str>, note: Option<Arc<str>>, reason: Reason) -> Self {
        Self { step, note, reason }
    }
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.step)?;
        if let Some(note) = &self.note {
            write!(f, " ({note})")?;
        }
        write!(f, ": {}", self.reason)
    }
}

impl Reason {
    /// A short name: `effect_unknown`, `failed`, `panicked` or `timed_out`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::EffectUnknown => "effect_unknown",
            Self::Failed { .. } => "failed",
            Self::Panicked { .. } => "panicked",
            Self::TimedOut { .. } => "timed_out",
        }
    }
}

fn last(error: Option<&str>) -> String {
    error.map_or_else(String::new, |error| format!("; an attempt failed with: {error}"))
}
