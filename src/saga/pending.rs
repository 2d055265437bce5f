use std::fmt;
use std::sync::Arc;

use super::chain::Chain;
use super::error::UndoReport;
use super::stuck::Stuck;

/// What a dropped [`Saga`](super::Saga) leaves: the undos that were pending, and the steps that were stuck.
///
/// Dropping it forgets the undos. `Display` is a line for a person: the steps and their notes.
#[derive(Debug)]
#[must_use = "nobody runs these undos but whoever has them"]
pub struct Pending<'a> {
    chain: Chain<'a>,
}

/// A step whose undo is pending.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PendingStep {
    /// The name of the step.
    pub step: Arc<str>,
    /// What the step's [`note`](super::Step::note) says, if it has one.
    pub note: Option<Arc<str>>,
    /// Whether it is uncertain that the step took effect: its undo is the one of
    /// [`undo_if_unknown`](super::Step::undo_if_unknown).
    pub is_unknown: bool,
}

impl<'a> Pending<'a> {
    pub(super) const fn new(chain: Chain<'a>) -> Self {
        Self { chain }
    }

    /// The name of the saga.
    #[must_use]
    pub fn saga(&self) -> &str {
        &self.chain.saga
    }

    /// The steps whose undos are pending, in the order in which they would run: the latest step first.
    #[must_use]
    pub fn steps(&self) -> impl ExactSizeIterator<Item = PendingStep> {
        self.chain.plan.pending().map(|entry| PendingStep {
            step: Arc::clone(&entry.step.name),
            note: entry.step.note.clone(),
            is_unknown: entry.is_unknown,
        })
    }

    /// The steps that were stuck when the saga was dropped, and of which no [`SagaError`](super::SagaError) told.
    #[must_use]
    pub fn stuck(&self) -> &[Stuck] {
        self.chain.plan.stuck()
    }

    /// Tries all pending undos, as a failed step would have done.
    ///
    /// # Panics
    ///
    /// If an undo is not ready at once and there is no tokio runtime with its timer enabled.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it forgets the undos that are left, and traces them as an `ERROR`.
    pub fn run(self) -> impl Future<Output = UndoReport> + Send + 'a {
        // Made here, so that it also tells of a future that is never polled.
        let mut running = Running(self);
        async move { running.0.chain.undo_all().await }
    }
}

impl fmt::Display for Pending<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "saga `{}`: {}", self.chain.saga, self.chain)
    }
}

/// Tells of undos that will not run any more.
struct Running<'a>(Pending<'a>);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if self.0.chain.owes() {
            self.0.chain.trace_lost();
        }
    }
}
