//! Random sagas against the model: which steps are undone, in which order, and which are stuck.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;
use tokio::sync::Notify;
use windbreak::Effect;
use windbreak::saga::{Pending, Saga, Stuck};

use super::helpers::{Log, policy};
use super::model::{Action, End, Op, Outcome, Step, Undo, expected};

/// What the saga says that became of its steps.
#[derive(Default)]
struct Said {
    outcome: Outcome,
}

impl Said {
    fn add(&mut self, undone: &[Arc<str>], stuck: &[Stuck]) {
        let number = |name: &str| name.parse::<usize>().expect("a number");
        let undone: Vec<_> = undone.iter().map(|name| number(name)).collect();
        assert!(undone.is_sorted_by(|one, next| one > next), "the latest first: {undone:?}");
        self.outcome.undone.extend(undone);
        self.outcome.stuck.extend(stuck.iter().map(|stuck| number(&stuck.step)));
    }
}

/// Asks whoever waits for a step or for an undo to drop it.
#[derive(Default)]
struct DropMe {
    now: Notify,
    /// Nobody is there who would.
    is_over: AtomicBool,
}

type Started = std::pin::Pin<Box<dyn Future<Output = Result<(), &'static str>> + Send>>;

/// Starts the undo of this step as often as it is asked. What is undone is noted.
fn start(number: usize, undo: Undo, log: &Log, drop_me: &Arc<DropMe>) -> impl FnMut() -> Started + Send + use<> {
    let (log, drop_me) = (log.clone(), Arc::clone(drop_me));
    let mut calls = 0;
    move || {
        calls += 1;
        assert!(undo != Undo::PanicsBeforeItIsAFuture, "before it is a future");
        let (log, drop_me) = (log.clone(), Arc::clone(&drop_me));
        Box::pin(async move {
            match (undo, calls) {
                (Undo::Fails, _) | (Undo::FailsOnce, 1) => return Err("busy"),
                (Undo::Panics, _) => panic!("while it is a future"),
                (Undo::Hangs, _) => return pending().await,
                (Undo::IsDropped, 1) if !drop_me.is_over.load(Ordering::Relaxed) => {
                    drop_me.now.notify_one();
                    return pending().await;
                }
                _ => {}
            }
            log.note(number);
            Ok(())
        })
    }
}

/// Waits for `future`, or until it is to be dropped.
async fn unless_dropped<F: IntoFuture>(future: F, drop_me: &DropMe) -> Option<F::Output> {
    tokio::select! {
        output = future => Some(output),
        () = drop_me.now.notified() => None,
    }
}

async fn run(ops: &[Op], end: End, log: &Log) -> Said {
    let drop_me = Arc::new(DropMe::default());
    let mut said = Said::default();
    let (tell, told) = std::sync::mpsc::channel::<Pending<'static>>();
    let mut saga =
        Saga::new("random").undo_policy(policy()).on_drop(move |pending| tell.send(pending).expect("the test listens"));

    for (number, op) in ops.iter().enumerate() {
        let Op::Step(Step { action, undo, if_unknown }) = *op else {
            saga.pivot();
            continue;
        };
        let inside = Arc::clone(&drop_me);
        let action = async move {
            match action {
                Action::Succeeds => Ok(()),
                Action::FailsNotApplied => Err(Effect::NotApplied),
                Action::FailsUnknown => Err(Effect::Unknown),
                Action::Panics => panic!("the action"),
                Action::IsDropped => {
                    inside.now.notify_one();
                    pending().await
                }
            }
        };
        let action = async move { action.await.map_err(EffectError) };
        let step = saga.step(number.to_string(), action).effect_of(|error| error.0);
        let starts = |undo: Option<Undo>| undo.map(|undo| start(number, undo, log, &drop_me));
        let step = match (starts(undo), starts(if_unknown)) {
            (None, None) => step.nothing_to_undo(),
            (Some(mut undo), None) => step.undo(move |()| undo()),
            (None, Some(if_unknown)) => step.undo_if_unknown(if_unknown),
            (Some(mut undo), Some(if_unknown)) => step.undo(move |()| undo()).undo_if_unknown(if_unknown),
        };
        if let Some(Err(error)) = unless_dropped(step, &drop_me).await {
            said.add(&error.undone, &error.stuck);
        }
    }

    match end {
        End::Finish => drop(saga.finish()),
        End::Abort => {
            if let Some(report) = unless_dropped(saga.abort(), &drop_me).await {
                said.add(&report.undone, &report.stuck);
                assert!(told.try_recv().is_err(), "nothing is left to hand over");
            }
        }
        End::Drop => drop(saga),
    }
    if let Ok(pending) = told.try_recv() {
        drop_me.is_over.store(true, Ordering::Relaxed);
        let before: Vec<_> = pending.steps().collect();
        let report = tokio::time::timeout(std::time::Duration::from_secs(86_400), pending.run()).await;
        let report = report.expect("every undo is bounded");
        assert!(report.undone.len() + report.stuck.len() >= before.len());
        said.add(&report.undone, &report.stuck);
    }
    said
}

#[derive(Debug)]
struct EffectError(Effect);

impl std::fmt::Display for EffectError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

fn any_undo() -> impl Strategy<Value = Undo> {
    prop_oneof![
        6 => Just(Undo::Succeeds),
        1 => Just(Undo::FailsOnce),
        1 => Just(Undo::Fails),
        1 => Just(Undo::Panics),
        1 => Just(Undo::PanicsBeforeItIsAFuture),
        1 => Just(Undo::Hangs),
        1 => Just(Undo::IsDropped),
    ]
}

fn any_op() -> impl Strategy<Value = Op> {
    let action = prop_oneof![
        9 => Just(Action::Succeeds),
        1 => Just(Action::FailsNotApplied),
        1 => Just(Action::FailsUnknown),
        1 => Just(Action::Panics),
        1 => Just(Action::IsDropped),
    ];
    let undo = || prop::option::weighted(0.8, any_undo());
    let step = (action, undo(), undo()).prop_map(|(action, undo, if_unknown)| Step { action, undo, if_unknown });
    prop_oneof![8 => step.prop_map(Op::Step), 1 => Just(Op::Pivot)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn what_is_undone_and_what_is_stuck_is_what_a_slow_model_says(
        ops in prop::collection::vec(any_op(), 0..12),
        end in prop_oneof![Just(End::Finish), Just(End::Abort), Just(End::Drop)],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let log = Log::default();
        let Said { mut outcome } = runtime.block_on(run(&ops, end, &log));
        outcome.undone.sort_unstable();
        outcome.stuck.sort_unstable();
        let mut model = expected(&ops, end);
        model.stuck.sort_unstable();
        prop_assert_eq!(&outcome, &model);
        // What it says is what was done, once each.
        let mut done: Vec<usize> = log.taken().iter().map(|number| number.parse().unwrap()).collect();
        done.sort_unstable();
        prop_assert_eq!(done, outcome.undone);
    }
}
