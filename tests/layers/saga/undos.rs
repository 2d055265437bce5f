//! One undo: its attempts, its pauses and its bound in time; undos that hang and undos that panic.

use std::future::pending;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use windbreak::backoff::Backoff;
use windbreak::saga::{Reason, Saga, UndoPolicy};

use super::helpers::*;
use crate::support::{millis, secs};

/// Runs a saga of `a`, a `b` with this undo, and a `c` that fails. What became of `b`; `a` is always undone.
async fn undo_of_b<G>(undo: impl FnMut(()) -> G + Send) -> (Option<Reason>, Duration)
where
    G: Future<Output = Result> + Send,
{
    let log = Log::default();
    let mut saga = Saga::new("order").undo_policy(policy());
    add(&mut saga, &log, "a").await;
    saga.step("b", succeed()).note("by hand").undo(undo).await.expect("it succeeds");
    let start = Instant::now();
    let error = saga.step("c", fail()).nothing_to_undo().await.expect_err("it fails");
    assert_eq!(log.taken(), ["undo a"]);
    let is_undone = error.undone == names(&["b", "a"]);
    assert!(is_undone || error.undone == names(&["a"]));
    let reason = error.stuck.first().map(|stuck| {
        assert_eq!((&*stuck.step, stuck.note.as_deref()), ("b", Some("by hand")));
        stuck.reason.clone()
    });
    assert_eq!(is_undone, reason.is_none());
    (reason, start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn an_undo_that_fails_is_tried_again_after_the_pause() {
    let mut calls = 0;
    let (reason, elapsed) = undo_of_b(|()| {
        calls += 1;
        std::future::ready(if calls == 1 { Err("busy") } else { Ok(()) })
    })
    .await;
    assert_eq!((reason, elapsed, calls), (None, secs(1), 2));
}

#[tokio::test(start_paused = true)]
async fn an_undo_that_keeps_failing_is_stuck_and_the_others_still_run() {
    let mut calls = 0;
    let (reason, elapsed) = undo_of_b(|()| {
        calls += 1;
        std::future::ready(Err(["busy", "gone"][calls - 1]))
    })
    .await;
    assert_eq!(reason.unwrap().to_string(), "its undo failed 2 times, the last time with: gone");
    assert_eq!((elapsed, calls), (secs(1), 2));
}

#[tokio::test(start_paused = true)]
async fn an_undo_that_hangs_is_cut_by_its_deadline() {
    let (reason, elapsed) = undo_of_b(|()| pending()).await;
    assert_eq!(reason.unwrap().to_string(), "its undo did not end within 3s");
    assert_eq!(elapsed, secs(3));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_bounds_all_attempts_and_pauses_of_an_undo() {
    let (reason, elapsed) = undo_of_b(|()| async {
        sleep(millis(1_500)).await;
        Err("busy")
    })
    .await;
    assert_eq!(reason.unwrap().to_string(), "its undo did not end within 3s; an attempt failed with: busy");
    assert_eq!(elapsed, secs(3));
}

#[tokio::test(start_paused = true)]
async fn an_undo_that_panics_is_stuck_at_once_and_the_others_still_run() {
    let mut calls = 0;
    let (reason, elapsed) = undo_of_b(|()| {
        calls += 1;
        async { panic!("no such seat") }
    })
    .await;
    assert_eq!(reason.unwrap().to_string(), "its undo panicked: no such seat");
    assert_eq!((elapsed, calls), (Duration::ZERO, 1));
    let (reason, _) = undo_of_b(|()| -> std::future::Ready<Result> { panic!("before it is a future") }).await;
    assert_eq!(reason.unwrap().to_string(), "its undo panicked: before it is a future");
}

#[tokio::test(start_paused = true)]
async fn an_undo_that_is_ready_at_its_deadline_is_done() {
    let (reason, elapsed) = undo_of_b(|()| async {
        sleep(secs(3)).await;
        Ok(())
    })
    .await;
    assert_eq!((reason, elapsed), (None, secs(3)));
}

#[tokio::test(start_paused = true)]
async fn an_undo_knows_its_deadline() {
    let start = Instant::now();
    let (reason, _) = undo_of_b(|()| async move {
        assert_eq!(windbreak::deadline(), Some(start + secs(3)));
        sleep(secs(1)).await;
        assert_eq!(windbreak::deadline(), Some(start + secs(3)));
        Ok(())
    })
    .await;
    assert_eq!((reason, windbreak::deadline()), (None, None));
}

#[test]
fn an_undo_that_is_ready_at_once_needs_no_runtime() {
    let mut saga = Saga::new("order");
    tokio_test::block_on(async {
        saga.step("a", succeed()).undo(|()| succeed()).await.expect("it succeeds");
    });
    let mut abort = tokio_test::task::spawn(saga.abort());
    let std::task::Poll::Ready(report) = abort.poll() else { panic!("it is ready") };
    assert_eq!(report.undone, names(&["a"]));
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "dropped");
    }
}

#[tokio::test(start_paused = true)]
async fn an_undo_that_panics_when_it_is_cut_timed_out() {
    let (reason, _) = undo_of_b(|()| async {
        let _bomb = Bomb;
        pending().await
    })
    .await;
    assert_eq!(reason.unwrap().as_str(), "timed_out");
}

#[tokio::test(start_paused = true)]
async fn what_an_undo_captured_may_panic_when_it_is_dropped() {
    let bomb = Bomb;
    let (reason, _) = undo_of_b(move |()| {
        let _ = &bomb;
        std::future::ready(Ok(()))
    })
    .await;
    assert_eq!(reason, None);
}

#[tokio::test(start_paused = true)]
async fn a_step_may_have_an_undo_policy_of_its_own() {
    let mut saga = Saga::new("order").undo_policy(policy());
    let patient = UndoPolicy::builder().timeout(secs(60)).build().unwrap();
    saga.step("a", succeed()).undo(|()| pending::<Result>()).undo_policy(patient).await.unwrap();
    saga.step("b", succeed()).undo(|()| pending::<Result>()).await.unwrap();
    let start = Instant::now();
    let error = saga.step("c", fail()).nothing_to_undo().await.unwrap_err();
    assert_eq!(start.elapsed(), secs(63));
    let timed_out = |limit| format!("its undo did not end within {limit:?}");
    assert_eq!(stuck(&error.stuck), [format!("`b`: {}", timed_out(secs(3))), format!("`a`: {}", timed_out(secs(60)))]);
}

#[test]
fn a_policy_that_contradicts_itself_is_an_error() {
    let error = |builder: windbreak::saga::UndoPolicyBuilder| builder.build().unwrap_err().to_string();
    let builder = UndoPolicy::builder;
    assert_eq!(error(builder().max_attempts(0)), "`max_attempts` is 0; it must be at least 1, the first attempt");
    assert_eq!(error(builder().timeout(Duration::ZERO)), "`timeout` is 0ns; it must be longer than zero");
    let backoff = Backoff::exponential(Duration::ZERO);
    assert_eq!(error(builder().backoff(backoff)), "`backoff` is 0ns; it must be longer than zero");
    assert_eq!(builder().build(), Ok(UndoPolicy::default()));
}

#[tokio::test(start_paused = true)]
async fn an_endless_timeout_of_an_undo_is_no_timeout() {
    let endless = UndoPolicy::builder().timeout(Duration::MAX).build().unwrap();
    let mut saga = Saga::new("order").undo_policy(endless);
    saga.step("a", succeed())
        .undo(|()| async {
            sleep(secs(1_000_000)).await;
            succeed().await
        })
        .await
        .unwrap();
    assert_eq!(saga.abort().await.undone, names(&["a"]));
}
