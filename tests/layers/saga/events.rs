//! The `tracing` events of a saga.

use std::fmt::{self, Write as _};
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber, span};
use windbreak::saga::{Saga, UndoPolicy};

/// Keeps every event of windbreak's, one line each: the level, the message and the fields in their order.
#[derive(Clone, Default)]
pub(crate) struct Listener(Arc<Mutex<Vec<String>>>);

impl Listener {
    /// What was heard since the last time.
    pub(crate) fn heard(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().expect("no event panics"))
    }
}

struct Writer<'a>(&'a mut String);

impl Visit for Writer<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.0, " {value:?}");
        } else {
            let _ = write!(self.0, " {}={value:?}", field.name());
        }
    }
}

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("windbreak")
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = event.metadata().level().to_string();
        event.record(&mut Writer(&mut line));
        self.0.lock().expect("no event panics").push(line);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

pub(crate) fn listen() -> (Listener, tracing::subscriber::DefaultGuard) {
    let listener = Listener::default();
    let guard = crate::support::listening::listen(listener.clone());
    (listener, guard)
}

fn succeed() -> Ready<Result<(), &'static str>> {
    ready(Ok(()))
}

fn fail() -> Ready<Result<(), &'static str>> {
    ready(Err("no"))
}

/// A saga whose only step has an undo that fails twice, and is then stuck.
async fn one_step() -> Saga<'static> {
    let policy = UndoPolicy::builder().max_attempts(2).backoff(Duration::from_secs(1)).build().expect("valid");
    let mut saga = Saga::new("order").undo_policy(policy);
    saga.step("seat", succeed()).note("seat 12").undo(|()| fail()).await.expect("it succeeds");
    saga
}

#[tokio::test(start_paused = true)]
async fn each_failure_is_a_warning_and_a_stuck_step_is_an_error() {
    let (listener, _guard) = listen();
    let mut saga = one_step().await;
    assert!(listener.heard().is_empty(), "a step that succeeds is no event");
    saga.step("mail", fail()).undo_if_unknown(succeed).await.unwrap_err();
    assert_eq!(
        listener.heard(),
        [
            r#"WARN saga step failed saga="order" step="mail" effect="unknown" error=no pivoted=false pending=2"#,
            r#"WARN saga undo failed saga="order" step="seat" attempt=1 error="no""#,
            r#"WARN saga undo failed saga="order" step="seat" attempt=2 error="no""#,
            concat!(
                r#"ERROR saga step is stuck saga="order" step="seat" note="seat 12" reason="failed" "#,
                "error=its undo failed 2 times, the last time with: no",
            ),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn pending_undos_that_nobody_takes_are_an_error() {
    let (listener, _guard) = listen();
    let saga = one_step().await;
    drop(saga);
    let lost = r#"ERROR saga dropped with pending undos saga="order" pending=`seat` (seat 12)"#;
    assert_eq!(listener.heard(), [lost]);

    let (tell, told) = std::sync::mpsc::channel();
    drop(one_step().await.on_drop(move |pending| tell.send(pending).unwrap()));
    assert!(listener.heard().is_empty(), "somebody has them");
    let run = told.recv().unwrap().run();
    drop(run);
    assert_eq!(listener.heard(), [lost], "a run that is dropped before it is polled forgets them too");

    one_step().await.finish().unwrap();
    assert!(listener.heard().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_on_drop_is_an_error_that_lists_the_undos() {
    let (listener, _guard) = listen();
    drop(one_step().await.on_drop(|_| panic!("nobody is there")));
    assert_eq!(
        listener.heard(),
        [concat!(
            r#"ERROR saga could not hand over its pending undos saga="order" pending="`seat` (seat 12)" "#,
            r#"panic="nobody is there""#,
        )]
    );
}
