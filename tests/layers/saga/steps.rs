//! Which steps are undone, in which order, and what a step may do afterwards.

use tokio::time::{Instant, sleep};
use windbreak::Effect;
use windbreak::saga::{Cause, Saga, SagaError};

use super::helpers::*;
use crate::support::secs;

#[tokio::test(start_paused = true)]
async fn a_failure_undoes_the_steps_before_it_the_latest_first() {
    let log = Log::default();
    let mut saga = two_steps(&log).await;
    let error =
        saga.step("c", fail()).undo(|()| log.noted("undo c")).effect_of(|_| Effect::NotApplied).await.unwrap_err();
    assert_eq!(log.taken(), ["undo b", "undo a"]);
    assert_eq!((&*error.saga, &*error.failed, error.cause.clone()), ("order", "c", Cause::Failed("no")));
    assert_eq!((error.effect, error.pivoted, error.action()), (Effect::NotApplied, false, Some(&"no")));
    assert_eq!(error.undone, names(&["b", "a"]));
    assert_eq!(error.stuck, []);
    assert_eq!(error.to_string(), "saga `order` failed at `c`: no; undone: `b`, `a`");
}

#[tokio::test(start_paused = true)]
async fn a_finished_saga_undoes_nothing() {
    let log = Log::default();
    let saga = two_steps(&log).await.on_drop(|_| panic!("nothing is pending"));
    assert_eq!(saga.finish(), Ok(()));
    assert_eq!(log.taken(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn the_action_returns_its_value_and_the_undo_is_given_a_copy() {
    let log = Log::default();
    let mut saga = Saga::new("order");
    let value = saga.step("a", async { Ok::<_, String>(vec![7]) }).undo(|value| log.noted(&format!("{value:?}"))).await;
    assert_eq!(value.unwrap(), [7]);
    saga.step("b", fail()).nothing_to_undo().await.unwrap_err();
    assert_eq!(log.taken(), ["[7]"]);
}

#[tokio::test(start_paused = true)]
async fn an_error_has_an_unknown_effect_unless_the_caller_says_otherwise() {
    let log = Log::default();
    let mut saga = two_steps(&log).await;
    let error = saga.step("c", fail()).undo_if_unknown(|| log.noted("void c")).await.unwrap_err();
    assert_eq!(error.effect, Effect::Unknown);
    assert_eq!(error.undone, names(&["c", "b", "a"]));
    assert_eq!(log.taken(), ["void c", "undo b", "undo a"]);
}

#[tokio::test(start_paused = true)]
async fn a_step_without_effect_runs_no_undo_of_its_own() {
    let log = Log::default();
    let mut saga = two_steps(&log).await;
    let step = saga.step("c", fail()).undo_if_unknown(|| log.noted("void c")).effect_of(|_| Effect::NotApplied);
    assert_eq!(step.await.unwrap_err().undone, names(&["b", "a"]));
    assert_eq!(log.taken(), ["undo b", "undo a"]);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_effect_that_nobody_can_undo_is_stuck() {
    let log = Log::default();
    let mut saga = two_steps(&log).await;
    let error = saga.step("c", fail()).note("order 7").undo(|()| log.noted("undo c")).await.unwrap_err();
    assert_eq!(stuck(&error.stuck), ["`c` (order 7): it may have taken effect, and it has no `undo_if_unknown`"]);
    assert_eq!(error.undone, names(&["b", "a"]));
    let nothing = Saga::new("order").step("c", fail()).nothing_to_undo().await.unwrap_err();
    assert_eq!((nothing.effect, nothing.stuck), (Effect::Unknown, vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_classifier_that_panics_leaves_the_effect_unknown() {
    let log = Log::default();
    let mut saga = two_steps(&log).await;
    let step = saga.step("c", fail()).undo_if_unknown(|| log.noted("void c")).effect_of(|_| panic!("which error?"));
    assert_eq!(step.await.unwrap_err().effect, Effect::Unknown);
    assert_eq!(log.taken(), ["void c", "undo b", "undo a"]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_action_is_a_failure_of_unknown_effect() {
    let log = Log::default();
    let mut saga = two_steps(&log).await;
    let action = async { if true { panic!("out of {}", "ink") } else { fail().await } };
    let error = saga.step("c", action).undo_if_unknown(|| log.noted("void c")).await.unwrap_err();
    assert_eq!(error.cause.to_string(), "it panicked: out of ink");
    assert_eq!(error.effect, Effect::Unknown);
    assert_eq!(log.taken(), ["void c", "undo b", "undo a"]);
}

#[tokio::test(start_paused = true)]
async fn undos_run_one_at_a_time() {
    let log = Log::default();
    let mut saga = Saga::new("order");
    for name in ["a", "b"] {
        let log = log.clone();
        let undo = move |()| {
            let log = log.clone();
            async move {
                log.note(format!("{name} starts"));
                sleep(secs(1)).await;
                log.noted(&format!("{name} ends")).await
            }
        };
        saga.step(name, succeed()).undo(undo).await.unwrap();
    }
    let start = Instant::now();
    saga.step("c", fail()).nothing_to_undo().await.unwrap_err();
    assert_eq!(log.taken(), ["b starts", "b ends", "a starts", "a ends"]);
    assert_eq!(start.elapsed(), secs(2));
}

#[tokio::test(start_paused = true)]
async fn after_the_pivot_the_steps_before_it_stand() {
    let log = Log::default();
    let mut saga = two_steps(&log).await;
    saga.pivot();
    add(&mut saga, &log, "c").await;
    let error = saga.step("d", fail()).undo_if_unknown(|| log.noted("void d")).await.unwrap_err();
    assert!(error.pivoted);
    assert_eq!(error.undone, names(&["d", "c"]));
    assert_eq!(log.taken(), ["void d", "undo c"]);
}

#[tokio::test(start_paused = true)]
async fn after_the_pivot_a_failed_step_may_be_tried_again() {
    let log = Log::default();
    let mut saga = two_steps(&log).await;
    saga.pivot();
    saga.step("mail", fail()).nothing_to_undo().await.unwrap_err();
    let again = saga.step("mail", fail()).nothing_to_undo().await.unwrap_err();
    assert_eq!(&*again.failed, "mail (2)");
    saga.step("mail", succeed()).nothing_to_undo().await.unwrap();
    assert_eq!(saga.finish(), Ok(()));
    assert_eq!(log.taken(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_before_the_pivot_no_step_runs() {
    let log = Log::default();
    let mut saga = two_steps(&log).await;
    saga.step("c", fail()).nothing_to_undo().await.unwrap_err();
    log.taken();
    saga.pivot();
    let error = saga.step("d", log.noted("d")).undo_if_unknown(|| log.noted("void d")).await.unwrap_err();
    assert_eq!(error.to_string(), "saga `order` failed at `d`: not run, `c` had failed");
    assert_eq!((error.effect, error.pivoted), (Effect::NotApplied, false));
    assert_eq!(saga.finish().unwrap_err().to_string(), "saga `order` cannot finish: `c` did not succeed");
    assert_eq!(log.taken(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn steps_of_one_name_are_numbered() {
    let log = Log::default();
    let mut saga = Saga::new("order");
    for _ in 0..3 {
        add(&mut saga, &log, "item").await;
    }
    assert_eq!(saga.abort().await.undone, names(&["item (3)", "item (2)", "item"]));
}

#[tokio::test(start_paused = true)]
async fn a_caller_may_give_up_between_two_steps() {
    let log = Log::default();
    let report = two_steps(&log).await.on_drop(|_| panic!("nothing is pending")).abort().await;
    assert_eq!((report.undone, report.stuck), (names(&["b", "a"]), vec![]));
}

#[tokio::test(start_paused = true)]
async fn the_errors_of_the_steps_can_be_brought_to_one_type() {
    let error = Saga::new("order").step("a", fail()).nothing_to_undo().await.unwrap_err();
    let boxed: SagaError<Box<dyn std::error::Error + Send + Sync>> = error.map(Into::into);
    let error: Box<dyn std::error::Error + Send + Sync> = boxed.into();
    assert_eq!(error.to_string(), "saga `order` failed at `a`: no");
    assert!(error.source().is_none());
}

#[test]
fn sagas_and_their_futures_can_be_sent() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    let mut saga = is_send(Saga::new("order"));
    drop(is_send(is_send(saga.step("a", succeed()).undo(|()| succeed())).into_future()));
    drop(is_send(saga.abort()));
    let saga = Saga::new("order").on_drop(|pending| drop(is_send(is_send(pending).run())));
    drop(saga);
}
