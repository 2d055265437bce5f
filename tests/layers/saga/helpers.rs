use std::fmt::Display;
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};

use windbreak::saga::{Saga, Stuck, UndoPolicy};

use crate::support::secs;

pub(crate) type Result<T = (), E = &'static str> = std::result::Result<T, E>;

/// What was done, in order.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn note(&self, what: impl Display) {
        self.0.lock().expect("no test panics while it holds the log").push(what.to_string());
    }

    pub(crate) fn taken(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().expect("no test panics while it holds the log"))
    }

    /// Something that is noted and succeeds.
    pub(crate) fn noted(&self, what: &str) -> impl Future<Output = Result> + Send + 'static + use<> {
        let (log, what) = (self.clone(), what.to_string());
        async move {
            log.note(what);
            Ok(())
        }
    }
}

pub(crate) fn succeed() -> Ready<Result> {
    ready(Ok(()))
}

pub(crate) fn fail() -> Ready<Result> {
    ready(Err("no"))
}

/// Two attempts, a second apart, and three seconds in all.
pub(crate) fn policy() -> UndoPolicy {
    UndoPolicy::builder().max_attempts(2).backoff(secs(1)).timeout(secs(3)).build().expect("valid")
}

/// A saga with two steps, `a` and `b`, that note their undos.
pub(crate) async fn two_steps<'a>(log: &Log) -> Saga<'a> {
    let mut saga = Saga::new("order").undo_policy(policy());
    add(&mut saga, log, "a").await;
    add(&mut saga, log, "b").await;
    saga
}

/// A step that succeeds and notes its undo.
pub(crate) async fn add(saga: &mut Saga<'_>, log: &Log, name: &'static str) {
    let log = log.clone();
    saga.step(name, succeed()).undo(move |()| log.noted(&format!("undo {name}"))).await.expect("it succeeds");
}

pub(crate) fn names(names: &[&str]) -> Vec<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

pub(crate) fn stuck(stuck: &[Stuck]) -> Vec<String> {
    stuck.iter().map(ToString::to_string).collect()
}
