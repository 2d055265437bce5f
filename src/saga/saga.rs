use std::fmt;
use std::sync::Arc;

use super::chain::Chain;
use super::error::{UndoReport, Unfinished};
use super::pending::Pending;
use super::plan::Closed;
use super::policy::UndoPolicy;
use super::step::{Step, Unsaid};
use crate::caught::catch;

type OnDrop<'a> = Box<dyn FnOnce(Pending<'a>) + Send + 'a>;

/// Steps that are undone in reverse order when a later one fails. Not durable: see the [module](super).
///
/// `'a` is how long the undos may live. Undos that borrow nothing are `'static`, and can be spawned as a task by
/// [`on_drop`](Self::on_drop).
///
/// # Cancel safety
///
/// Dropped before [`finish`](Self::finish), for whatever reason, the saga hands its pending undos to
/// [`on_drop`](Self::on_drop).
#[must_use = "a saga that is dropped has not finished"]
pub struct Saga<'a> {
    chain: Chain<'a>,
    policy: UndoPolicy,
    on_drop: Option<OnDrop<'a>>,
}

impl<'a> Saga<'a> {
    /// A saga without steps. The name stands in its errors and events.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self { chain: Chain::new(name.into()), policy: UndoPolicy::default(), on_drop: None }
    }

    /// How the undos of the steps that follow are tried, unless a step has a
    /// [policy of its own](Step::undo_policy). Default: that of [`UndoPolicy`].
    pub fn undo_policy(mut self, policy: UndoPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// What happens to the pending undos when the saga is dropped before it finished: a step was dropped by a timeout, a
    /// caller went away, or the code between two steps returned early or panicked. Default: an `ERROR` event lists
    /// them, and nobody runs them.
    ///
    /// A step that was dropped before it ended has an unknown effect, and is among them with its
    /// [`undo_if_unknown`](Step::undo_if_unknown). The function is not called when nothing is pending or stuck.
    /// A panic in it is caught and traced as an `ERROR`.
    ///
    /// Undos that borrow nothing can run as a task of their own:
    ///
    /// ```
    /// use windbreak::Saga;
    ///
    /// # async fn take_seat() -> Result<u32, std::io::Error> { Ok(1) }
    /// # async fn give_back(seat: u32) -> Result<(), std::io::Error> { Ok(()) }
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), windbreak::saga::SagaError<std::io::Error>> {
    /// let (tell, told) = tokio::sync::oneshot::channel();
    /// let mut saga = Saga::new("booking").on_drop(|pending| {
    ///     tokio::spawn(async move { tell.send(pending.run().await) });
    /// });
    /// saga.step("seat", take_seat()).undo(give_back).await?;
    /// drop(saga);
    ///
    /// assert_eq!(told.await.unwrap().undone, ["seat".into()]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_drop(mut self, f: impl FnOnce(Pending<'a>) + Send + 'a) -> Self {
        self.on_drop = Some(Box::new(f));
        self
    }

    /// The next step: what it is called, and what it does. The action runs once the step is awaited.
    ///
    /// Before that, the step must say how it is undone: see [`Step`]. An action that returns `Ok` has succeeded; an
    /// HTTP client that returns a 503 as `Ok` needs a line that makes an error of it.
    ///
    /// A second step of the same name is named `name (2)`, so that a loop may add the same step again and an error
    /// still names one step only.
    pub fn step<'s, F, T, E>(&'s mut self, name: impl Into<Arc<str>>, action: F) -> Step<'s, 'a, F, T, E, Unsaid>
    where
        F: Future<Output = Result<T, E>> + Send + 's,
    {
        Step::new(&mut self.chain, name.into(), action, self.policy)
    }

    /// The point of no return: the steps so far stand, and their undos are dropped without being run.
    ///
    /// Afterwards the work goes forward only. A step that fails after the pivot still ends in a
    /// [`SagaError`](super::SagaError), with `pivoted` set:
    ///
    /// - the steps before the pivot are not undone, not even those that would have an undo;
    /// - the steps since the pivot that have an undo are undone; give none to a step that should stand;
    /// - the failed step itself is treated as any other: if its effect is unknown, its
    ///   [`undo_if_unknown`](super::Step::undo_if_unknown) runs;
    /// - the saga stays open, so that the step can be tried again, or another way be taken, until the work is finished.
    ///
    /// A second pivot moves the point. While something is left to undo because a step was dropped before it ended, and
    /// after a failure that ended the saga, a pivot does nothing: what has to be undone is not forgotten.
    pub fn pivot(&mut self) {
        self.chain.plan.pivot();
    }

    /// Ends the saga: every step stands, and no undo runs any more. There is no step after it, because it takes the saga.
    ///
    /// # Errors
    ///
    /// If a step failed before the pivot (everything has been undone), or the future of the last step was dropped
    /// before it ended. In the second case the pending undos go to [`on_drop`](Self::on_drop).
    pub fn finish(mut self) -> Result<(), Unfinished> {
        match self.chain.plan.check_open() {
            Ok(()) => {
                self.chain.plan.pivot();
                Ok(())
            }
            Err(Closed::Interrupted(step) | Closed::Ended(step)) => {
                Err(Unfinished { saga: Arc::clone(&self.chain.saga), step })
            }
        }
    }

    /// Gives up between two steps: tries all pending undos, as a failed step does.
    ///
    /// # Panics
    ///
    /// If an undo is not ready at once and there is no tokio runtime with its timer enabled.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it hands the undos that are left to [`on_drop`](Self::on_drop), among them the one
    /// that was running.
    pub async fn abort(mut self) -> UndoReport {
        self.chain.plan.give_up();
        self.chain.undo_all().await
    }
}

impl Drop for Saga<'_> {
    fn drop(&mut self) {
        self.chain.plan.give_up();
        if !self.chain.owes() {
            return;
        }
        let empty = Chain::new(Arc::clone(&self.chain.saga));
        let chain = std::mem::replace(&mut self.chain, empty);
        let Some(on_drop) = self.on_drop.take() else { return chain.trace_lost() };
        let pending = chain.to_string();
        if let Err(panic) = catch(|| on_drop(Pending::new(chain))) {
            tracing::error!(saga = &*self.chain.saga, pending, panic, "saga could not hand over its pending undos");
        }
    }
}

impl fmt::Debug for Saga<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Saga").field("chain", &self.chain).field("policy", &self.policy).finish_non_exhaustive()
    }
}
