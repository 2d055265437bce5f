//! What a saga leaves that is dropped, at every moment.

use std::future::pending;

use tokio::time::timeout;
use windbreak::saga::{Pending, Reason, Saga};

use super::helpers::*;
use crate::support::secs;

/// Hands what is pending to the sender.
fn hand_over(saga: Saga<'_>) -> (Saga<'_>, std::sync::mpsc::Receiver<Pending<'_>>) {
    let (tell, told) = std::sync::mpsc::channel();
    (saga.on_drop(move |pending| tell.send(pending).expect("the test listens")), told)
}

#[tokio::test(start_paused = true)]
async fn a_dropped_saga_hands_over_what_is_pending() {
    let log = Log::default();
    let (mut saga, told) = hand_over(two_steps(&log).await);
    saga.step("c", succeed()).note("by hand").undo(|()| log.noted("undo c")).await.unwrap();
    drop(saga);
    let pending = told.recv().unwrap();
    assert_eq!((pending.saga(), pending.stuck()), ("order", &[][..]));
    assert_eq!(pending.to_string(), "saga `order`: `c` (by hand), `b`, `a`");
    assert_eq!(pending.steps().map(|step| step.step).collect::<Vec<_>>(), names(&["c", "b", "a"]));
    assert!(pending.steps().all(|step| !step.is_unknown));
    assert_eq!(log.taken(), [""; 0], "nothing runs by itself");
    assert_eq!(pending.run().await.undone, names(&["c", "b", "a"]));
    assert_eq!(log.taken(), ["undo c", "undo b", "undo a"]);
}

#[tokio::test(start_paused = true)]
async fn a_step_dropped_while_its_action_runs_has_an_unknown_effect() {
    let log = Log::default();
    let (mut saga, told) = hand_over(two_steps(&log).await);
    let step = saga.step("c", pending::<Result>()).undo_if_unknown(|| log.noted("void c"));
    timeout(secs(1), step).await.unwrap_err();
    drop(saga);
    let pending = told.recv().unwrap();
    assert_eq!(pending.steps().map(|step| step.is_unknown).collect::<Vec<_>>(), [true, false, false]);
    pending.run().await.undone.clear();
    assert_eq!(log.taken(), ["void c", "undo b", "undo a"]);
}

#[tokio::test(start_paused = true)]
async fn a_step_that_was_never_polled_did_nothing() {
    let log = Log::default();
    let mut saga = two_steps(&log).await;
    drop(saga.step("c", log.noted("c")).undo_if_unknown(|| log.noted("void c")));
    drop(saga.step("c", log.noted("c")).undo_if_unknown(|| log.noted("void c")).into_future());
    assert_eq!(saga.finish(), Ok(()));
    assert_eq!(log.taken(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn the_step_after_an_interrupted_one_undoes_all() {
    let log = Log::default();
    let mut saga = two_steps(&log).await;
    timeout(secs(1), saga.step("c", pending::<Result>()).undo_if_unknown(|| log.noted("void c"))).await.unwrap_err();
    saga.pivot();
    let error = saga.step("d", log.noted("d")).nothing_to_undo().await.unwrap_err();
    assert_eq!(error.cause.to_string(), "not run, `c` was interrupted");
    assert_eq!(error.undone, names(&["c", "b", "a"]));
    assert_eq!(log.taken(), ["void c", "undo b", "undo a"]);
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_gives_up_after_an_interrupted_step_undoes_it_too() {
    let log = Log::default();
    let mut saga = two_steps(&log).await;
    timeout(secs(1), saga.step("c", pending::<Result>()).undo_if_unknown(|| log.noted("void c"))).await.unwrap_err();
    assert_eq!(saga.abort().await.undone, names(&["c", "b", "a"]));
}

#[tokio::test(start_paused = true)]
async fn a_saga_with_an_interrupted_step_does_not_finish() {
    let log = Log::default();
    let (mut saga, told) = hand_over(two_steps(&log).await);
    timeout(secs(1), saga.step("c", pending::<Result>()).nothing_to_undo()).await.unwrap_err();
    assert_eq!(saga.finish().unwrap_err().to_string(), "saga `order` cannot finish: `c` did not succeed");
    assert_eq!(told.recv().unwrap().to_string(), "saga `order`: `b`, `a`");
}

#[tokio::test(start_paused = true)]
async fn an_undo_that_is_dropped_while_it_runs_is_still_pending() {
    let log = Log::default();
    let (mut saga, told) = hand_over(two_steps(&log).await);
    let mut calls = 0;
    let undo = move |()| {
        calls += 1;
        let is_first = calls == 1;
        async move { if is_first { pending().await } else { succeed().await } }
    };
    saga.step("c", succeed()).undo(undo).await.unwrap();
    add(&mut saga, &log, "d").await;
    timeout(secs(1), saga.step("e", fail()).nothing_to_undo()).await.unwrap_err();
    drop(saga);
    let pending = told.recv().unwrap();
    assert_eq!(pending.to_string(), "saga `order`: `c`, `b`, `a`");
    assert_eq!(pending.run().await.undone, names(&["d", "c", "b", "a"]), "what was undone before is reported too");
    assert_eq!(log.taken(), ["undo d", "undo b", "undo a"]);
}

#[tokio::test(start_paused = true)]
async fn an_abort_that_is_dropped_hands_over_the_rest() {
    let log = Log::default();
    let (mut saga, told) = hand_over(two_steps(&log).await);
    saga.step("c", succeed()).undo(|()| pending::<Result>()).await.unwrap();
    add(&mut saga, &log, "d").await;
    timeout(secs(1), saga.abort()).await.unwrap_err();
    assert_eq!(log.taken(), ["undo d"]);
    assert_eq!(told.recv().unwrap().to_string(), "saga `order`: `c`, `b`, `a`");
}

#[tokio::test(start_paused = true)]
async fn a_step_that_is_stuck_is_handed_over_too() {
    let (mut saga, told) = hand_over(Saga::new("order"));
    timeout(secs(1), saga.step("c", pending::<Result>()).undo(|()| succeed())).await.unwrap_err();
    drop(saga);
    let pending = told.recv().unwrap();
    assert_eq!((pending.steps().len(), pending.stuck().len()), (0, 1));
    assert_eq!(pending.stuck()[0].reason, Reason::EffectUnknown);
    assert_eq!(stuck(&pending.run().await.stuck).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_panic_between_two_steps_hands_over_what_is_pending() {
    let log = Log::default();
    let (saga, told) = hand_over(two_steps(&log).await);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _saga = saga;
        panic!("a bug");
    }));
    assert!(panicked.is_err());
    assert_eq!(told.recv().unwrap().to_string(), "saga `order`: `b`, `a`");
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_on_drop_is_caught_also_while_another_unwinds() {
    drop(two_steps(&Log::default()).await.on_drop(|_| panic!("nobody is there")));
    let saga = two_steps(&Log::default()).await.on_drop(|_| panic!("nobody is there"));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _saga = saga;
        panic!("a bug");
    }));
    assert_eq!(*panicked.unwrap_err().downcast::<&str>().unwrap(), "a bug");
}
