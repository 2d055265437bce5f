//! A slow, obvious model of a saga: which steps are undone, and which are stuck.

/// How an action ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Action {
    Succeeds,
    FailsNotApplied,
    FailsUnknown,
    Panics,
    /// Its future is dropped while the action runs.
    IsDropped,
}

/// How an undo ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Undo {
    Succeeds,
    FailsOnce,
    Fails,
    Panics,
    PanicsBeforeItIsAFuture,
    Hangs,
    /// Whoever waits for it is dropped while it runs the first time; the second time it succeeds.
    IsDropped,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub(super) action: Action,
    pub(super) undo: Option<Undo>,
    /// `None`: there is nothing to undo, or with an `undo`, nothing was said.
    pub(super) if_unknown: Option<Undo>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Op {
    Step(Step),
    Pivot,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum End {
    Finish,
    Abort,
    Drop,
}

/// What became of the steps, by their number.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Outcome {
    pub(super) undone: Vec<usize>,
    pub(super) stuck: Vec<usize>,
}

/// Whether the step is undone in the end. Whoever was dropped while it ran runs it again.
fn is_undone(undo: Undo) -> bool {
    matches!(undo, Undo::Succeeds | Undo::FailsOnce | Undo::IsDropped)
}

/// Walks over the saga once to see which steps run, and then looks for each step by itself how it is settled.
pub(super) fn expected(ops: &[Op], end: End) -> Outcome {
    // What happened, in order: a step that ran, a pivot that held, or a moment at which all that is pending is undone.
    #[derive(Clone, Copy)]
    enum Happened {
        Ran(usize, Step),
        Pivot,
        Undoing,
    }
    let mut happened = Vec::new();
    let (mut is_interrupted, mut is_ended, mut is_pivoted) = (false, false, false);
    // Every undo that drops whoever waits for it does so once; then the rest waits for whatever comes next.
    let mut left_to_drop = Vec::new();
    for (number, op) in ops.iter().enumerate() {
        match *op {
            Op::Pivot if !is_interrupted && !is_ended => {
                happened.push(Happened::Pivot);
                is_pivoted = true;
                left_to_drop.clear();
            }
            Op::Pivot => {}
            Op::Step(_) if is_ended => {}
            Op::Step(step) => {
                let is_failing = is_interrupted || step.action != Action::Succeeds;
                if !is_interrupted {
                    happened.push(Happened::Ran(number, step));
                    let undo = match step.action {
                        Action::Succeeds => step.undo,
                        Action::FailsNotApplied => None,
                        _ => step.if_unknown,
                    };
                    left_to_drop.extend((undo == Some(Undo::IsDropped)).then_some(()));
                }
                if is_failing {
                    if step.action == Action::IsDropped && !is_interrupted || left_to_drop.pop().is_some() {
                        is_interrupted = true;
                    } else {
                        happened.push(Happened::Undoing);
                        is_interrupted = false;
                        is_ended = !is_pivoted;
                    }
                }
            }
        }
    }
    if end != End::Finish || is_interrupted {
        happened.push(Happened::Undoing);
    }

    let mut outcome = Outcome::default();
    for (at, event) in happened.iter().enumerate() {
        let Happened::Ran(number, step) = *event else { continue };
        let undo = match step.action {
            Action::Succeeds => step.undo,
            Action::FailsNotApplied => None,
            Action::FailsUnknown | Action::Panics | Action::IsDropped => {
                if step.if_unknown.is_none() && step.undo.is_some() {
                    outcome.stuck.push(number);
                }
                step.if_unknown
            }
        };
        let next = happened[at..].iter().find(|event| !matches!(event, Happened::Ran(..)));
        match (undo, next) {
            (Some(undo), Some(Happened::Undoing)) if is_undone(undo) => outcome.undone.push(number),
            (Some(_), Some(Happened::Undoing)) => outcome.stuck.push(number),
            _ => {}
        }
    }
    outcome
}
