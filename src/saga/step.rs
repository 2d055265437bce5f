use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use super::chain::Chain;
use super::error::{Cause, SagaError, UndoReport};
use super::plan::{Closed, IfUnknown, Label};
use super::policy::UndoPolicy;
use super::undo::{Attempt, Undo, attempts};
use crate::caught::{Caught, catch};
use crate::rules::Effect;

/// Boxed error, as tower has it.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

type EffectOf<'s, E> = Box<dyn Fn(&E) -> Effect + Send + 's>;
type UndoOf<'a, T> = Box<dyn FnOnce(&T) -> Attempt<'a> + Send + 'a>;

/// A step of a [`Saga`](super::Saga): made by [`Saga::step`](super::Saga::step), and run by `.await`.
///
/// It can be awaited once it says how it is undone: by [`undo`](Self::undo), by
/// [`undo_if_unknown`](Self::undo_if_unknown), by both, or by [`nothing_to_undo`](Self::nothing_to_undo). A step that forgot
/// it does not compile:
///
/// ```compile_fail,E0277
/// # async fn f() -> Result<(), windbreak::saga::SagaError<std::io::Error>> {
/// let mut saga = windbreak::Saga::new("order");
/// saga.step("charge", async { Ok::<_, std::io::Error>(()) }).await?;
/// # Ok(())
/// # }
/// ```
///
/// | the action | what is undone for this step |
/// |---|---|
/// | succeeds, and a later step fails | `undo`; without one the step stands |
/// | fails, effect [`NotApplied`](Effect::NotApplied) | nothing |
/// | fails, effect [`Unknown`](Effect::Unknown) | `undo_if_unknown`; without one the step is stuck |
/// | panics, or is dropped before it ends | as for an unknown effect |
///
/// # Errors
///
/// [`SagaError`], after all pending undos were tried, if the action fails or panics, or did not run because an
/// earlier step had failed or was interrupted.
///
/// # Panics
///
/// If an undo is not ready at once and there is no tokio runtime with its timer enabled. A panic of the action or of an undo is
/// caught, if the program unwinds at all.
///
/// # Cancel safety
///
/// A step that is dropped before it is polled did nothing. Dropped while its action runs, its effect is unknown; dropped
/// while undos run, the one that was running counts as not done. Either way what is pending stays with the saga: the next
/// step, [`abort`](super::Saga::abort) or [`on_drop`](super::Saga::on_drop) takes it from there. So do not put
/// a saga into a timeout unless it has an `on_drop` that runs what is pending.
#[must_use = "a step does nothing unless you `.await` it"]
pub struct Step<'s, 'a, F, T, E, S = Said> {
    chain: &'s mut Chain<'a>,
    name: Arc<str>,
    note: Option<Arc<str>>,
    action: F,
    effect_of: Option<EffectOf<'s, E>>,
    undo: Option<UndoOf<'a, T>>,
    if_unknown: IfUnknown<Attempt<'a>>,
    policy: UndoPolicy,
    said: PhantomData<S>,
}

/// The [`Step`] says how it is undone.
#[derive(Debug)]
pub enum Said {}

/// The [`Step`] does not say yet how it is undone.
#[derive(Debug)]
pub enum Unsaid {}

impl<'s, 'a, F, T, E> Step<'s, 'a, F, T, E, Unsaid> {
    pub(super) fn new(chain: &'s mut Chain<'a>, name: Arc<str>, action: F, policy: UndoPolicy) -> Self {
        Self {
            chain,
            name,
            note: None,
            action,
            effect_of: None,
            undo: None,
            if_unknown: IfUnknown::Stuck,
            policy,
            said: PhantomData,
        }
    }

    /// There is nothing to undo: the step only reads, or what it does harms nobody if the work is given up.
    pub fn nothing_to_undo(mut self) -> Step<'s, 'a, F, T, E> {
        self.if_unknown = IfUnknown::Harmless;
        self.said()
    }
}

impl<'s, 'a, F, T, E, S> Step<'s, 'a, F, T, E, S> {
    /// Takes the effect of the step back when a later step fails. It is given a copy of what the action returned.
    ///
    /// It may run more than once, by its [policy](UndoPolicy), so it must be idempotent: to undo what is undone
    /// already is a success. An undo that blocks its thread cannot be cut by its timeout.
    pub fn undo<G, U>(mut self, mut undo: impl FnMut(T) -> G + Send + 'a) -> Step<'s, 'a, F, T, E>
    where
        T: Clone + Send + 'a,
        G: Future<Output = Result<(), U>> + Send + 'a,
        U: Into<BoxError>,
    {
        self.undo = Some(Box::new(move |value| {
            let value = value.clone();
            attempts(move || undo(value.clone()))
        }));
        self.said()
    }

    /// Makes sure that the step has no effect, when it failed and nobody knows whether it had: voids a payment by the
    /// key that it was sent with, deletes by an id that the caller chose. It runs before the undos of the earlier steps.
    ///
    /// It must succeed only if the step has no effect *and will have none*: a request that was lost may still arrive.
    /// As for [`undo`](Self::undo), it may run more than once.
    pub fn undo_if_unknown<G, U>(mut self, undo: impl FnMut() -> G + Send + 'a) -> Step<'s, 'a, F, T, E>
    where
        G: Future<Output = Result<(), U>> + Send + 'a,
        U: Into<BoxError>,
    {
        self.if_unknown = IfUnknown::Undo(attempts(undo));
        self.said()
    }

    /// Tells of an error of the action whether the step can have taken effect. Default: [`Effect::Unknown`] for every
    /// error. If the function panics, the effect is unknown.
    ///
    /// The error of a stack knows which requests were not sent:
    ///
    /// ```
    /// use windbreak::error::{Error, Rejectable as _, Rejection};
    /// use windbreak::{Effect, Saga};
    ///
    /// # async fn charge() -> Result<u32, Error<std::io::Error>> { Ok(7) }
    /// # async fn void() -> Result<(), std::io::Error> { Ok(()) }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let mut saga = Saga::new("order");
    /// let charged = saga
    ///     .step("charge", charge())
    ///     .effect_of(|error| error.rejection().map_or(Effect::Unknown, Rejection::effect))
    ///     .undo_if_unknown(void)
    ///     .await;
    /// assert_eq!(charged.unwrap(), 7);
    /// # saga.finish().unwrap();
    /// # }
    /// ```
    pub fn effect_of(mut self, effect_of: impl Fn(&E) -> Effect + Send + 's) -> Self {
        self.effect_of = Some(Box::new(effect_of));
        self
    }

    /// What a person needs to know to undo this step by hand: an order's number, an amount. It stands in
    /// [`Stuck`](super::Stuck), [`Pending`](super::Pending) and the events, so it should hold no secrets.
    pub fn note(mut self, note: impl Into<Arc<str>>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// How the undos of this step are tried. Default: as the [saga](super::Saga::undo_policy) says.
    pub fn undo_policy(mut self, policy: UndoPolicy) -> Self {
        self.policy = policy;
        self
    }

    fn said(self) -> Step<'s, 'a, F, T, E> {
        let Self { chain, name, note, action, effect_of, undo, if_unknown, policy, said: _ } = self;
        Step { chain, name, note, action, effect_of, undo, if_unknown, policy, said: PhantomData }
    }
}

impl<'s, 'a, F, T, E> IntoFuture for Step<'s, 'a, F, T, E, Said>
where
    'a: 's,
    F: Future<Output = Result<T, E>> + Send + 's,
    T: Send + 's,
    E: Send + fmt::Display + 's,
{
    type Output = Result<T, SagaError<E>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 's>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<F, T, E> Step<'_, '_, F, T, E, Said>
where
    F: Future<Output = Result<T, E>> + Send,
    T: Send,
    E: Send + fmt::Display,
{
    async fn run(self) -> Result<T, SagaError<E>> {
        let Self { chain, name, note, action, effect_of, undo, if_unknown, policy, said: _ } = self;
        let undo_with = |attempt| Undo { attempt, policy };
        let name = chain.plan.unique(&name);
        let label = Label { name: Arc::clone(&name), note };
        let (cause, effect) = match chain.plan.begin(label, if_unknown.map(undo_with)) {
            Err(closed) => (closed.into(), Effect::NotApplied),
            Ok(()) => match Caught::new(action).await {
                Ok(Ok(value)) => {
                    chain.plan.succeeded(undo.map(|undo_of| undo_with(undo_of(&value))));
                    return Ok(value);
                }
                Ok(Err(error)) => {
                    let effect = effect_of.map(|effect_of| catch(|| effect_of(&error)).unwrap_or(Effect::Unknown));
                    (Cause::Failed(error), effect.unwrap_or(Effect::Unknown))
                }
                Err(message) => (Cause::Panicked { message }, Effect::Unknown),
            },
        };
        Err(fail(chain, name, cause, effect).await)
    }
}

/// Undoes what is pending. A step that was not run finds that an earlier one was interrupted, or has nothing to undo.
async fn fail<E: fmt::Display>(
    chain: &mut Chain<'_>,
    failed: Arc<str>,
    cause: Cause<E>,
    effect: Effect,
) -> SagaError<E> {
    let pivoted = chain.plan.is_pivoted();
    // Of a step that did not run the plan knows nothing; the one that runs is then the one that was interrupted.
    chain.plan.failed(if matches!(cause, Cause::Interrupted { .. }) { Effect::Unknown } else { effect });
    tracing::warn!(
        saga = &*chain.saga,
        step = &*failed,
        effect = match effect {
            Effect::NotApplied => "not_applied",
            Effect::Unknown => "unknown",
        },
        error = %cause,
        pivoted,
        pending = chain.plan.pending().len(),
        "saga step failed"
    );
    let UndoReport { undone, stuck } = chain.undo_all().await;
    SagaError { saga: Arc::clone(&chain.saga), failed, cause, effect, undone, stuck, pivoted }
}

impl<E> From<Closed> for Cause<E> {
    fn from(closed: Closed) -> Self {
        match closed {
            Closed::Interrupted(step) => Self::Interrupted { step },
            Closed::Ended(step) => Self::Ended { step },
        }
    }
}

impl<F, T, E, S> fmt::Debug for Step<'_, '_, F, T, E, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step").field("name", &self.name).field("note", &self.note).finish_non_exhaustive()
    }
}
