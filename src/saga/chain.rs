use std::fmt;
use std::sync::Arc;

use super::error::UndoReport;
use super::plan::Plan;
use super::undo::Undo;
use crate::caught::catch;

/// The steps of one saga, and their undos.
pub(super) struct Chain<'a> {
    pub(super) saga: Arc<str>,
    pub(super) plan: Plan<Undo<'a>>,
}

impl Chain<'_> {
    pub(super) fn new(saga: Arc<str>) -> Self {
        Self { saga, plan: Plan::new() }
    }

    /// Whether an undo is pending, or a step is stuck that nobody was told of.
    pub(super) fn owes(&self) -> bool {
        self.plan.pending().len() > 0 || !self.plan.stuck().is_empty()
    }

    /// Tries all pending undos. Dropped on the way, it leaves those that are left, the running one included.
    pub(super) async fn undo_all(&mut self) -> UndoReport {
        let saga = &*self.saga;
        if self.plan.pending().len() > 0 {
            let mut rng = rand::make_rng();
            while let Some(entry) = self.plan.next() {
                let step = &*entry.step.name;
                let on_error = |attempt: u32, error: &str| {
                    tracing::warn!(saga, step, attempt, error, "saga undo failed");
                };
                let result = entry.undo.run(&mut rng, on_error).await;
                let undo = self.plan.settle(result);
                // Whatever it captured may panic when it is dropped; the other undos still run.
                let _ = catch(|| drop(undo));
            }
        }
        let (undone, stuck) = self.plan.end();
        for stuck in &stuck {
            tracing::error!(
                saga,
                step = &*stuck.step,
                note = stuck.note.as_deref(),
                reason = stuck.reason.as_str(),
                error = %stuck.reason,
                "saga step is stuck"
            );
        }
        UndoReport { undone, stuck }
    }

    /// Nobody will undo what is pending.
    pub(super) fn trace_lost(&self) {
        tracing::error!(saga = &*self.saga, pending = %self, "saga dropped with pending undos");
    }
}

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for entry in self.plan.pending() {
            write!(f, "{separator}`{}`", entry.step.name)?;
            if let Some(note) = &entry.step.note {
                write!(f, " ({note})")?;
            }
            separator = ", ";
        }
        for stuck in self.plan.stuck() {
            write!(f, "{separator}{stuck}")?;
            separator = ", ";
        }
        Ok(())
    }
}

impl fmt::Debug for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: [{self}]", self.saga)
    }
}
