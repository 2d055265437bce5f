//! The plan against a list of every step and what became of it, over random operations, also those that do not fit.

use proptest::prelude::*;

use super::*;

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Running {
        if_unknown: Choice,
    },
    /// It has an undo, which is pending.
    Pending {
        is_unknown: bool,
    },
    /// There is nothing to undo, or it lies before the pivot.
    Stands,
    Undone,
    Stuck,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Choice {
    Undo,
    Harmless,
    Stuck,
}

#[derive(Debug, Clone)]
enum Op {
    Begin(Choice),
    Succeeded { has_undo: bool },
    Failed(Effect),
    GiveUp,
    Settle { is_ok: bool },
    End,
    Pivot,
}

#[derive(Debug, Default)]
struct Model {
    steps: Vec<Fate>,
    /// The step that failed, from its failure until everything is undone.
    undoing: Option<usize>,
    ended: Option<usize>,
    is_pivoted: bool,
    /// In the order in which it happened, and not reported yet.
    settled: Vec<usize>,
}

impl Model {
    fn running(&self) -> Option<usize> {
        self.steps.iter().position(|fate| matches!(fate, Fate::Running { .. }))
    }

    /// The latest first.
    fn pending(&self) -> Vec<usize> {
        let is_pending = |step: &usize| matches!(self.steps[*step], Fate::Pending { .. });
        (0..self.steps.len()).rev().filter(is_pending).collect()
    }

    fn closed(&self) -> Option<Closed> {
        let interrupted = self.running().or(self.undoing).map(|step| Closed::Interrupted(name(step)));
        interrupted.or(self.ended.map(|step| Closed::Ended(name(step))))
    }

    fn fail(&mut self, effect: Effect) {
        let Some(step) = self.running() else { return };
        let Fate::Running { if_unknown } = self.steps[step] else { unreachable!("it runs") };
        self.undoing = Some(step);
        self.steps[step] = match (effect, if_unknown) {
            (Effect::Unknown, Choice::Undo) => Fate::Pending { is_unknown: true },
            (Effect::Unknown, Choice::Stuck) => Fate::Stuck,
            _ => Fate::Stands,
        };
        if self.steps[step] == Fate::Stuck {
            self.settled.push(step);
        }
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Begin(if_unknown) => self.steps.push(match self.closed() {
                None => Fate::Running { if_unknown },
                Some(_) => Fate::Stands,
            }),
            Op::Succeeded { has_undo } => {
                if let Some(step) = self.running() {
                    self.steps[step] = if has_undo { Fate::Pending { is_unknown: false } } else { Fate::Stands };
                }
            }
            Op::Failed(effect) => self.fail(effect),
            Op::GiveUp => self.fail(Effect::Unknown),
            Op::Settle { is_ok } => {
                if let Some(&step) = self.pending().first() {
                    self.steps[step] = if is_ok { Fate::Undone } else { Fate::Stuck };
                    self.settled.push(step);
                }
            }
            Op::End => {
                let failed = self.undoing.take();
                if !self.is_pivoted && failed.is_some() {
                    self.ended = failed;
                }
                self.settled.clear();
            }
            Op::Pivot => {
                if self.closed().is_none() {
                    self.is_pivoted = true;
                    for step in self.pending() {
                        self.steps[step] = Fate::Stands;
                    }
                }
            }
        }
    }
}

fn name(step: usize) -> Arc<str> {
    if step == 0 { "step".into() } else { format!("step ({})", step + 1).into() }
}

/// What is reported as undone, and as stuck.
type Settled = (Vec<Arc<str>>, Vec<Arc<str>>);

fn expected(model: &Model) -> Settled {
    let of = |fate| model.settled.iter().filter(|step| model.steps[**step] == fate).map(|step| name(*step)).collect();
    (of(Fate::Undone), of(Fate::Stuck))
}

/// The names of what is reported at the end.
fn apply(plan: &mut Plan<usize>, op: &Op, steps: usize) -> Result<Option<Settled>, TestCaseError> {
    match *op {
        Op::Begin(choice) => {
            let name = plan.unique(&"step".into());
            let if_unknown = match choice {
                Choice::Undo => IfUnknown::Undo(steps),
                Choice::Harmless => IfUnknown::Harmless,
                Choice::Stuck => IfUnknown::Stuck,
            };
            let closed = plan.check_open();
            prop_assert_eq!(plan.begin(Label { name, note: None }, if_unknown), closed);
        }
        Op::Succeeded { has_undo } => plan.succeeded(has_undo.then_some(steps)),
        Op::Failed(effect) => plan.failed(effect),
        Op::GiveUp => plan.give_up(),
        Op::Settle { is_ok } => {
            let next = plan.next().map(|entry| entry.undo);
            prop_assert_eq!(plan.settle(if is_ok { Ok(()) } else { Err(Reason::EffectUnknown) }), next);
        }
        Op::End => {
            let (undone, stuck) = plan.end();
            return Ok(Some((undone, stuck.into_iter().map(|stuck| stuck.step).collect())));
        }
        Op::Pivot => plan.pivot(),
    }
    Ok(None)
}

fn any_op() -> impl Strategy<Value = Op> {
    let choice = || prop_oneof![Just(Choice::Undo), Just(Choice::Harmless), Just(Choice::Stuck)];
    let effect = prop_oneof![Just(Effect::NotApplied), Just(Effect::Unknown)];
    prop_oneof![
        6 => choice().prop_map(Op::Begin),
        5 => any::<bool>().prop_map(|has_undo| Op::Succeeded { has_undo }),
        2 => effect.prop_map(Op::Failed),
        1 => Just(Op::GiveUp),
        3 => any::<bool>().prop_map(|is_ok| Op::Settle { is_ok }),
        2 => Just(Op::End),
        1 => Just(Op::Pivot),
    ]
}

proptest! {
    #[test]
    fn the_plan_agrees_with_a_list_of_what_became_of_each_step(ops in prop::collection::vec(any_op(), 0..60)) {
        let (mut plan, mut model) = (Plan::new(), Model::default());
        for op in &ops {
            let reported = expected(&model);
            let steps = model.steps.len();
            let report = apply(&mut plan, op, steps)?;
            model.apply(op);
            if let Some(report) = report {
                prop_assert_eq!(report, reported);
            }
            let pending: Vec<_> = plan.pending().map(|entry| (Arc::clone(&entry.step.name), entry.is_unknown)).collect();
            let model_pending: Vec<_> = model
                .pending()
                .into_iter()
                .map(|step| (name(step), model.steps[step] == Fate::Pending { is_unknown: true }))
                .collect();
            prop_assert_eq!(pending, model_pending);
            prop_assert_eq!(plan.check_open().err(), model.closed());
            prop_assert_eq!(plan.is_pivoted(), model.is_pivoted);
            let stuck: Vec<_> = plan.stuck().iter().map(|stuck| Arc::clone(&stuck.step)).collect();
            prop_assert_eq!(stuck, expected(&model).1);
        }
    }
}

#[test]
fn a_name_that_looks_numbered_is_not_given_twice() {
    let mut plan = Plan::<()>::new();
    let mut named = |name: &str| plan.unique(&name.into()).to_string();
    assert_eq!(["item", "item (2)", "item", "item"].map(&mut named), ["item", "item (2)", "item (3)", "item (4)"]);
    assert_eq!(named("item (2)"), "item (2) (2)");
}
