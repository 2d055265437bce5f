//! Which undos are pending, which steps are undone, and which are stuck. No clock, no futures, no logging.
//!
//! ```text
//!            begin               succeeded
//!   Open ------------> Running ------------> Open        and its undo is pending
//!                         | failed
//!                         v        last undo settled
//!                      Undoing ----------------------> Ended, or Open again after a pivot
//! ```
//!
//! A step that was begun and never settled (its future was dropped) has failed with an unknown effect.

use std::collections::HashMap;
use std::sync::Arc;

use super::stuck::{Reason, Stuck};
use crate::rules::Effect;

/// `U` is what runs an undo.
#[derive(Debug)]
pub(super) struct Plan<U> {
    state: State<U>,
    /// The oldest first.
    pending: Vec<Entry<U>>,
    undone: Vec<Arc<str>>,
    stuck: Vec<Stuck>,
    /// The names given, each with the last number that followed it.
    names: HashMap<Arc<str>, u64>,
    pivoted: bool,
}

#[derive(Debug)]
enum State<U> {
    /// The next step may begin.
    Open,
    /// `if_unknown` is what to do when nobody knows how the step ended.
    Running { step: Label, if_unknown: IfUnknown<U> },
    /// A step failed; there may be undos left.
    Undoing { failed: Arc<str> },
    /// Every undo was tried.
    Ended { failed: Arc<str> },
}

/// What a step is called, and what a person needs to know of it.
#[derive(Debug, Clone)]
pub(super) struct Label {
    pub(super) name: Arc<str>,
    pub(super) note: Option<Arc<str>>,
}

/// What to do when a step fails and may have taken effect.
#[derive(Debug)]
pub(super) enum IfUnknown<U> {
    Undo(U),
    /// The effect, if there is one, harms nobody.
    Harmless,
    /// A person has to find out.
    Stuck,
}

impl<U> IfUnknown<U> {
    pub(super) fn map<V>(self, f: impl FnOnce(U) -> V) -> IfUnknown<V> {
        match self {
            Self::Undo(undo) => IfUnknown::Undo(f(undo)),
            Self::Harmless => IfUnknown::Harmless,
            Self::Stuck => IfUnknown::Stuck,
        }
    }
}

/// An undo that has not been settled.
#[derive(Debug)]
pub(super) struct Entry<U> {
    pub(super) step: Label,
    /// Whether it is uncertain that the step took effect.
    pub(super) is_unknown: bool,
    pub(super) undo: U,
}

/// Why no step may begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Closed {
    /// There is something left to undo: this step was dropped before it ended, or while its saga was undone.
    Interrupted(Arc<str>),
    /// This step failed.
    Ended(Arc<str>),
}

impl<U> Plan<U> {
    pub(super) fn new() -> Self {
        Self {
            state: State::Open,
            pending: Vec::new(),
            undone: Vec::new(),
            stuck: Vec::new(),
            names: HashMap::new(),
            pivoted: false,
        }
    }

    /// A name that no earlier step has: the second `item` is `item (2)`.
    pub(super) fn unique(&mut self, name: &Arc<str>) -> Arc<str> {
        let mut unique = Arc::clone(name);
        while self.names.contains_key(&unique) {
            let last = self.names.entry(Arc::clone(name)).or_default();
            *last += 1;
            unique = format!("{name} ({last})").into();
        }
        self.names.insert(Arc::clone(&unique), 1);
        unique
    }

    /// Open -> Running.
    pub(super) fn begin(&mut self, step: Label, if_unknown: IfUnknown<U>) -> Result<(), Closed> {
        self.check_open()?;
        self.state = State::Running { step, if_unknown };
        Ok(())
    }

    pub(super) fn check_open(&self) -> Result<(), Closed> {
        match &self.state {
            State::Open => Ok(()),
            State::Running { step, .. } => Err(Closed::Interrupted(Arc::clone(&step.name))),
            State::Undoing { failed } => Err(Closed::Interrupted(Arc::clone(failed))),
            State::Ended { failed } => Err(Closed::Ended(Arc::clone(failed))),
        }
    }

    /// Running -> Open: the step took effect, and `undo` takes it back. From any other state: nothing.
    pub(super) fn succeeded(&mut self, undo: Option<U>) {
        if let Some((step, _)) = self.take_running() {
            self.pending.extend(undo.map(|undo| Entry { step, is_unknown: false, undo }));
        }
    }

    /// Running -> Undoing. From any other state: nothing.
    pub(super) fn failed(&mut self, effect: Effect) {
        let Some((step, if_unknown)) = self.take_running() else { return };
        self.state = State::Undoing { failed: Arc::clone(&step.name) };
        match (effect, if_unknown) {
            (Effect::NotApplied, _) | (Effect::Unknown, IfUnknown::Harmless) => {}
            (Effect::Unknown, IfUnknown::Undo(undo)) => self.pending.push(Entry { step, is_unknown: true, undo }),
            (Effect::Unknown, IfUnknown::Stuck) => {
                self.stuck.push(Stuck::new(step.name, step.note, Reason::EffectUnknown));
            }
        }
    }

    /// Running -> Open. From any other state: nothing.
    fn take_running(&mut self) -> Option<(Label, IfUnknown<U>)> {
        match std::mem::replace(&mut self.state, State::Open) {
            State::Running { step, if_unknown } => Some((step, if_unknown)),
            other => {
                self.state = other;
                None
            }
        }
    }

    /// The caller gives up: a step that runs has failed, and what is pending is to be undone.
    pub(super) fn give_up(&mut self) {
        self.failed(Effect::Unknown);
    }

    /// The undo to run next.
    pub(super) fn next(&mut self) -> Option<&mut Entry<U>> {
        self.pending.last_mut()
    }

    /// The undo that [`next`](Self::next) gave has ended. It is returned, for the caller to drop: that may panic.
    pub(super) fn settle(&mut self, result: Result<(), Reason>) -> Option<U> {
        let Entry { step, undo, .. } = self.pending.pop()?;
        match result {
            Ok(()) => self.undone.push(step.name),
            Err(reason) => self.stuck.push(Stuck::new(step.name, step.note, reason)),
        }
        Some(undo)
    }

    /// Undoing -> Ended, or Open after a pivot: nothing is left. What was undone, and what is stuck.
    pub(super) fn end(&mut self) -> (Vec<Arc<str>>, Vec<Stuck>) {
        self.state = match std::mem::replace(&mut self.state, State::Open) {
            State::Undoing { failed } if !self.pivoted => State::Ended { failed },
            State::Undoing { .. } => State::Open,
            other => other,
        };
        (std::mem::take(&mut self.undone), std::mem::take(&mut self.stuck))
    }

    /// What succeeded so far stands. Only while no step is unsettled: an undo that is due is never forgotten.
    pub(super) fn pivot(&mut self) {
        if matches!(self.state, State::Open) {
            self.pending.clear();
            self.pivoted = true;
        }
    }

    pub(super) const fn is_pivoted(&self) -> bool {
        self.pivoted
    }

    /// The latest first, as they would run.
    pub(super) fn pending(&self) -> impl ExactSizeIterator<Item = &Entry<U>> {
        self.pending.iter().rev()
    }

    pub(super) fn stuck(&self) -> &[Stuck] {
        &self.stuck
    }
}

#[cfg(test)]
mod tests;
