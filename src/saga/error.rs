use std::fmt;
use std::sync::Arc;

use super::stuck::Stuck;
use crate::rules::Effect;

/// A step of a [`Saga`](super::Saga) failed, and this is what became of the steps before it.
///
/// `Display` says all of it in one line. The cause is in `Display`, so there is no `source()`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SagaError<E> {
    /// The name of the saga.
    pub saga: Arc<str>,
    /// The name of the step that failed.
    pub failed: Arc<str>,
    /// Why it failed.
    pub cause: Cause<E>,
    /// Whether the failed step can have taken effect, before anything was undone.
    pub effect: Effect,
    /// The steps that were undone, in the order of their undos: the latest step first.
    pub undone: Vec<Arc<str>>,
    /// The steps that may have taken effect and were not undone. Nobody tries again: put them before a person.
    pub stuck: Vec<Stuck>,
    /// Whether the saga had passed its [`pivot`](super::Saga::pivot): the steps before that stand.
    pub pivoted: bool,
}

/// Why a step failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Cause<E> {
    /// The action returned this error.
    #[error("{0}")]
    Failed(E),
    /// The action panicked. Its effect is unknown.
    #[error("it panicked: {message}")]
    #[non_exhaustive]
    Panicked {
        /// What the panic said.
        message: String,
    },
    /// The action did not run, because the future of the earlier step `step` was dropped before it ended. What was
    /// pending has been undone now.
    #[error("not run, `{step}` was interrupted")]
    #[non_exhaustive]
    Interrupted {
        /// The name of the step that was dropped.
        step: Arc<str>,
    },
    /// The action did not run, because the earlier step `step` failed and the saga was undone.
    #[error("not run, `{step}` had failed")]
    #[non_exhaustive]
    Ended {
        /// The name of the step that failed.
        step: Arc<str>,
    },
}

/// What became of the undos that were pending.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "a stuck step needs a person"]
#[non_exhaustive]
pub struct UndoReport {
    /// The steps that were undone, in the order of their undos: the latest step first.
    pub undone: Vec<Arc<str>>,
    /// The steps that may have taken effect and were not undone. Nobody tries again: put them before a person.
    pub stuck: Vec<Stuck>,
}

/// A saga was to finish of which a step had failed, or had been dropped before it ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("saga `{saga}` cannot finish: `{step}` did not succeed")]
#[non_exhaustive]
pub struct Unfinished {
    /// The name of the saga.
    pub saga: Arc<str>,
    /// The name of the step.
    pub step: Arc<str>,
}

impl<E> SagaError<E> {
    /// The error of the action, if that is what failed.
    pub const fn action(&self) -> Option<&E> {
        match &self.cause {
            Cause::Failed(error) => Some(error),
            _ => None,
        }
    }

    /// The same with another error of the action, as to bring the errors of all steps to one type.
    pub fn map<G>(self, f: impl FnOnce(E) -> G) -> SagaError<G> {
        let Self { saga, failed, cause, effect, undone, stuck, pivoted } = self;
        let cause = match cause {
            Cause::Failed(error) => Cause::Failed(f(error)),
            Cause::Panicked { message } => Cause::Panicked { message },
            Cause::Interrupted { step } => Cause::Interrupted { step },
            Cause::Ended { step } => Cause::Ended { step },
        };
        SagaError { saga, failed, cause, effect, undone, stuck, pivoted }
    }
}

impl<E: fmt::Display> fmt::Display for SagaError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "saga `{}` failed at `{}`: {}", self.saga, self.failed, self.cause)?;
        for (index, name) in self.undone.iter().enumerate() {
            write!(f, "{}`{name}`", if index == 0 { "; undone: " } else { ", " })?;
        }
        for (index, stuck) in self.stuck.iter().enumerate() {
            write!(f, "{}{stuck}", if index == 0 { "; stuck: " } else { ", " })?;
        }
        Ok(())
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for SagaError<E> {}
