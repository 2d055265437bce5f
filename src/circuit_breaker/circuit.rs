//! The shared handle: the machine behind a lock, and one word in front of it that answers for the healthy.
//!
//! The word is written under the lock and read without it. It says all that an admission needs to know while the
//! circuit is closed or open, and all that a success needs to know while the window holds nothing but successes;
//! each such answer takes effect at the moment of the load. Everything else takes the lock.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::SmallRng;
use tokio::sync::watch;
use tokio::time::Instant;

use super::config::CircuitBuilder;
use super::permit::Permit;
use super::rules::Rules;
use super::state::{Machine, Now, Refusal, State, Step, Ticket, Transition, Window};
use super::word::Word;
use crate::error::Rejection;
use crate::sync::{AtomicU64, Mutex, OnceLock, Ordering, PoisonError};
use crate::window::{Outcome, Tally};

/// A circuit: the shared, named state of one callee. Cheap to clone; all clones are the same circuit.
///
/// Give it to a [`CircuitBreakerLayer`](super::CircuitBreakerLayer), and keep a clone to look at it and to switch it
/// by hand. Without tower, [`acquire`](Self::acquire) a [`Permit`] for each call.
#[derive(Clone)]
pub struct Circuit {
    inner: Arc<Shared>,
}

/// A look at a [`Circuit`], all of it from one moment.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The name it was built with.
    pub name: Arc<str>,
    /// What it is doing.
    pub state: State,
    /// The calls behind the state: in the window, while closed; the probes that have answered, half-open; the calls
    /// that opened it, while open.
    pub tally: Tally,
}

pub(super) struct Shared {
    name: Arc<str>,
    word: AtomicU64,
    common: Arc<Common>,
    machine: Mutex<Machine>,
    /// Made when somebody first subscribes.
    states: OnceLock<watch::Sender<State>>,
}

/// What never changes, and is the same for all siblings: of those there can be thousands.
struct Common {
    rules: Rules,
    /// What the words count time from.
    origin: Instant,
}

impl Circuit {
    /// Starts a circuit. The name goes into events and rejections: one name for each callee.
    pub fn builder(name: impl Into<Arc<str>>) -> CircuitBuilder {
        CircuitBuilder::new(name.into())
    }

    pub(super) fn new(name: Arc<str>, rules: Rules, window: Window) -> Self {
        Self::with(name, Arc::new(Common { rules, origin: Instant::now() }), window)
    }

    /// Another circuit by the same rules: new, closed, and with a name of its own. It shares what never changes, so
    /// that it takes less memory than one that is built.
    #[must_use]
    pub fn sibling(&self, name: impl Into<Arc<str>>) -> Self {
        let window = self.inner.locked(|machine, _| machine.blank_window());
        Self::with(name.into(), Arc::clone(&self.inner.common), window)
    }

    fn with(name: Arc<str>, common: Arc<Common>, window: Window) -> Self {
        let machine = Machine::new(window, rand::make_rng::<SmallRng>().random());
        let word = AtomicU64::new(Word::of(&machine, common.origin).0);
        Self { inner: Arc::new(Shared { name, word, common, machine: Mutex::new(machine), states: OnceLock::new() }) }
    }

    /// The name it was built with.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// What it is doing. Time alone does not change it: that an open wait is over, or that probes hang, shows with the
    /// next request.
    #[must_use]
    pub fn state(&self) -> State {
        self.inner.word().state()
    }

    /// Its state and the calls behind it, from one moment.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let (state, tally) = self.inner.locked(|machine, step| (machine.state(), machine.tally(step)));
        Snapshot { name: Arc::clone(&self.inner.name), state, tally }
    }

    /// A receiver that always holds the latest state, and wakes when it changes. States that pass in between two
    /// looks are not kept.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<State> {
        let sender = self.inner.states.get_or_init(|| watch::Sender::new(self.state()));
        let receiver = sender.subscribe();
        // It may have changed since the look at it. Who changed it before this takes the lock is seen from here on;
        // who does so later sees the sender. Without the lock, both could miss each other.
        self.inner.locked(|_, _| ());
        self.inner.publish(sender);
        receiver
    }

    /// Asks to make one call. What layers do for every request, for code without a service.
    ///
    /// ```
    /// use windbreak::{Circuit, Effect, Failure, Verdict};
    ///
    /// # fn query() -> Result<u32, ()> { Ok(7) }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let database = Circuit::builder("database").build()?;
    ///
    /// let permit = database.acquire()?;
    /// let answer = query();
    /// permit.record(match answer {
    ///     Ok(_) => Verdict::Success,
    ///     Err(_) => Verdict::Failure(Failure::new(Effect::Unknown)),
    /// });
    /// assert_eq!(database.snapshot().tally.calls, 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Rejection::CircuitOpen`] if the circuit does not let the call pass.
    pub fn acquire(&self) -> Result<Permit, Rejection> {
        self.ticket().map(|ticket| self.permit(ticket)).map_err(|refusal| self.rejection(refusal))
    }

    /// Admits a request, with two words and not with a whole permit, which would have to be moved out of the result.
    #[inline]
    pub(super) fn ticket(&self) -> Result<Ticket, Refusal> {
        let word = self.inner.word();
        match word.pass() {
            Some(ticket) => Ok(ticket),
            None => self.ticket_now(word),
        }
    }

    #[cold]
    fn ticket_now(&self, word: Word) -> Result<Ticket, Refusal> {
        match word.refusal(self.inner.common.origin) {
            Some(refusal) => Err(refusal),
            None => self.inner.locked(Machine::acquire),
        }
    }

    #[inline]
    pub(super) fn permit(&self, ticket: Ticket) -> Permit {
        Permit::new(Arc::clone(&self.inner), ticket)
    }

    pub(super) fn rejection(&self, refusal: Refusal) -> Rejection {
        Rejection::circuit_open(Arc::clone(&self.inner.name), refusal.retry_after)
    }

    /// Why a request would be rejected now, if it would.
    #[inline]
    pub(super) fn refusal(&self) -> Option<Refusal> {
        let word = self.inner.word();
        if word.pass().is_some() { None } else { self.refusal_now(word) }
    }

    #[cold]
    fn refusal_now(&self, word: Word) -> Option<Refusal> {
        if word.is_half_open() { self.refusal_of_probe() } else { word.refusal(self.inner.common.origin) }
    }

    /// Apart, so that nothing of it burdens the rejections of an open circuit.
    #[inline(never)]
    fn refusal_of_probe(&self) -> Option<Refusal> {
        self.inner.locked(Machine::refusal)
    }

    /// Whether a request would be rejected now.
    pub(crate) fn rejects(&self) -> bool {
        self.refusal().is_some()
    }

    /// Rejects every request until told otherwise. [`reset`](Self::reset) ends it.
    pub fn force_open(&self) {
        self.inner.locked(Machine::force_open);
    }

    /// Passes every request and records nothing, until told otherwise. [`reset`](Self::reset) ends it.
    pub fn force_closed(&self) {
        self.inner.locked(Machine::force_closed);
    }

    /// Passes and records every request, but never opens, until told otherwise. [`reset`](Self::reset) ends it.
    /// Starts with an empty window.
    pub fn observe_only(&self) {
        self.inner.locked(Machine::observe_only);
    }

    /// Opens now, this once for `wait`; then it is half-open and goes on by its own rules.
    pub fn open_for(&self, wait: Duration) {
        self.inner.locked(|machine, step| machine.open_once(wait, step));
    }

    /// Closes it with an empty window, as if newly built. Answers to earlier requests no longer count.
    pub fn reset(&self) {
        self.inner.locked(Machine::reset);
    }
}

impl fmt::Debug for Circuit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Circuit").field("name", &self.inner.name).field("state", &self.state()).finish_non_exhaustive()
    }
}

impl Shared {
    #[inline]
    fn word(&self) -> Word {
        Word(self.word.load(Ordering::Relaxed))
    }

    /// From when on a call is slow, if that is judged.
    #[inline]
    pub(super) fn slow_after(&self) -> Option<Duration> {
        self.common.rules.slow_calls.map(|slow| slow.threshold)
    }

    /// Whether a success with this ticket changes nothing, so that there is nothing to record.
    #[inline]
    pub(super) fn absorbs_success(&self, ticket: Ticket) -> bool {
        self.word().absorbs_success(ticket)
    }

    /// How long it rejects requests, if it is open and that is known.
    pub(super) fn refusing_for(&self) -> Option<Duration> {
        self.word().refusal(self.common.origin)?.retry_after
    }

    pub(super) fn record(&self, ticket: Ticket, outcome: Outcome, now: Now) {
        let word = self.word();
        let absorbed = outcome == Outcome::SUCCESS && word.absorbs_success(ticket);
        if !absorbed && word.may_count(ticket) {
            self.locked_at(now, |machine, step| machine.record(ticket, outcome, step));
        }
    }

    /// Records a failure with which the callee asked to be left alone. Where that is not obeyed, a failure like others.
    #[cold]
    pub(super) fn record_and_open(&self, ticket: Ticket, outcome: Outcome, wait: Duration, now: Now) {
        match self.common.rules.max_retry_after {
            Some(max) => self.locked_at(now, |machine, step| {
                machine.record_and_open(ticket, outcome, wait.min(max), step);
            }),
            None => self.record(ticket, outcome, now),
        }
    }

    pub(super) fn give_back(&self, ticket: Ticket) {
        if self.word().is_half_open() {
            self.locked(|machine, step| machine.give_back(ticket, step));
        }
    }

    fn locked<R>(&self, run: impl FnOnce(&mut Machine, &mut Step<'_>) -> R) -> R {
        self.locked_at(Now::default(), run)
    }

    /// One step of the machine. What happened is told after the lock is gone.
    #[inline]
    fn locked_at<R>(&self, now: Now, run: impl FnOnce(&mut Machine, &mut Step<'_>) -> R) -> R {
        let mut step = Step::new(&self.common.rules, now);
        let mut machine = self.machine.lock().unwrap_or_else(PoisonError::into_inner);
        let result = run(&mut machine, &mut step);
        self.word.store(Word::of(&machine, self.common.origin).0, Ordering::Relaxed);
        drop(machine);
        for transition in &step.transitions {
            self.announce(transition);
        }
        result
    }

    #[cold]
    fn announce(&self, transition: &Transition) {
        let Transition { from, to, tally } = *transition;
        tracing::info!(
            name = &*self.name,
            from = from.as_str(),
            to = to.as_str(),
            failure_ratio = tally.failure_ratio(),
            slow_ratio = tally.slow_ratio(),
            calls = tally.calls,
            "circuit changed state"
        );
        if let Some(states) = self.states.get() {
            self.publish(states);
        }
    }

    /// Sends the latest state, not that of a transition: of two that are told at once, the later one wins.
    fn publish(&self, states: &watch::Sender<State>) {
        states.send_if_modified(|state| {
            let latest = self.word().state();
            std::mem::replace(state, latest) != latest
        });
    }
}

#[cfg(test)]
mod tests;
