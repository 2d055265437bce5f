//! The shared handle: the machine behind a lock, and one word in front of it that answers for the healthy.
//!
//! The word is written under the lock and read without it. It says all that an admission needs to know while the
//! circuit is closed or open, and all that a success needs to know while the window holds nothing but successes;
//! each such answer takes effect at the moment of the load. Everything else takes the lock.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::SmallRng;
use tokio::sync::watch;
use tokio::time::Instant;

use super::config::CircuitBuilder;
use super::permit::Permit;
use super::state::{Gate, Machine, Now, Refusal, Rules, State, Ticket, Transition, Window};
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
    /// What the word counts time from.
    origin: Instant,
    slow_after: Option<Duration>,
    /// The longest wait a callee may ask for, if it may ask at all.
    max_retry_after: Option<Duration>,
    machine: Mutex<Machine>,
    /// Made when somebody first subscribes.
    states: OnceLock<watch::Sender<State>>,
}

/// The word: three bits of kind below, the rest as the kind says.
mod word {
    use super::{Duration, Gate, Instant, State, Ticket};

    const KIND: u64 = 0b111;
    /// Above the kind: one bit, whether the window holds only successes; then the ticket.
    const CLOSED: u64 = 0;
    const OBSERVE_ONLY: u64 = 1;
    const ALL_SUCCESS: u64 = 0b1000;
    const TICKET_SHIFT: u32 = 4;
    /// Above the kind: until when, in nanoseconds from the origin.
    const OPEN: u64 = 2;
    const UNTIL_SHIFT: u32 = 3;
    /// 73 years after the origin: later than anyone waits, so it stands for never.
    const NEVER: u64 = u64::MAX >> UNTIL_SHIFT;
    /// Nothing above the kind.
    const HALF_OPEN: u64 = 3;
    const FORCED_OPEN: u64 = 4;
    const FORCED_CLOSED: u64 = 5;

    pub(super) enum Admission {
        Pass,
        Never,
        /// So long after the origin, not before.
        From(Duration),
        Ask,
    }

    pub(super) fn of(state: State, gate: Gate, origin: Instant) -> u64 {
        let kind = match state {
            State::Closed => CLOSED,
            State::ObserveOnly => OBSERVE_ONLY,
            State::Open => OPEN,
            State::HalfOpen => HALF_OPEN,
            State::ForcedOpen => FORCED_OPEN,
            State::ForcedClosed => FORCED_CLOSED,
        };
        kind | match gate {
            Gate::Pass { ticket, all_success } => ticket << TICKET_SHIFT | if all_success { ALL_SUCCESS } else { 0 },
            Gate::RejectUntil(until) if kind == OPEN => {
                let nanos = until.map_or(u128::MAX, |until| until.saturating_duration_since(origin).as_nanos());
                u64::try_from(nanos).unwrap_or(NEVER).min(NEVER) << UNTIL_SHIFT
            }
            Gate::RejectUntil(_) | Gate::PassUnseen | Gate::Ask => 0,
        }
    }

    /// The ticket of an admission, if everything passes and is recorded: the one question of a healthy call.
    #[inline]
    pub(super) fn pass(word: u64) -> Option<Ticket> {
        (word & KIND <= OBSERVE_ONLY).then_some(word >> TICKET_SHIFT)
    }

    pub(super) fn admission(word: u64) -> Admission {
        match word & KIND {
            CLOSED | OBSERVE_ONLY | FORCED_CLOSED => Admission::Pass,
            OPEN if word >> UNTIL_SHIFT == NEVER => Admission::Never,
            OPEN => Admission::From(Duration::from_nanos(word >> UNTIL_SHIFT)),
            FORCED_OPEN => Admission::Never,
            _ => Admission::Ask,
        }
    }

    /// Whether a success with this ticket changes nothing.
    #[inline]
    pub(super) fn absorbs_success(word: u64, ticket: Ticket) -> bool {
        word & !OBSERVE_ONLY == ticket << TICKET_SHIFT | ALL_SUCCESS
    }

    /// Whether an answer with this ticket may still count.
    #[inline]
    pub(super) fn may_count(word: u64, ticket: Ticket) -> bool {
        match word & KIND {
            CLOSED | OBSERVE_ONLY => word >> TICKET_SHIFT == ticket,
            HALF_OPEN => true,
            _ => false,
        }
    }

    pub(super) fn state(word: u64) -> State {
        match word & KIND {
            CLOSED => State::Closed,
            OBSERVE_ONLY => State::ObserveOnly,
            OPEN => State::Open,
            FORCED_OPEN => State::ForcedOpen,
            FORCED_CLOSED => State::ForcedClosed,
            _ => State::HalfOpen,
        }
    }
}

impl Circuit {
    /// Starts a circuit. The name goes into events and rejections: one name for each callee.
    pub fn builder(name: impl Into<Arc<str>>) -> CircuitBuilder {
        CircuitBuilder::new(name.into())
    }

    pub(super) fn new(name: Arc<str>, rules: Rules, window: Window, max_retry_after: Option<Duration>) -> Self {
        let origin = Instant::now();
        let slow_after = rules.slow_calls.map(|slow| slow.threshold);
        let machine = Machine::new(rules, window, rand::make_rng::<SmallRng>());
        let word = word::of(machine.state(), machine.gate(), origin);
        Self {
            inner: Arc::new(Shared {
                name,
                word: AtomicU64::new(word),
                origin,
                slow_after,
                max_retry_after,
                machine: Mutex::new(machine),
                states: OnceLock::new(),
            }),
        }
    }

    /// Another circuit by the same rules: new, closed, and with a name of its own.
    #[must_use]
    pub fn sibling(&self, name: impl Into<Arc<str>>) -> Self {
        let (rules, window) = self.inner.locked(|machine, _| machine.blank());
        Self::new(name.into(), rules, window, self.inner.max_retry_after)
    }

    /// The name it was built with.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// What it is doing. Open becomes half-open on the first request after the wait, not before.
    #[must_use]
    pub fn state(&self) -> State {
        word::state(self.inner.word.load(Ordering::Relaxed))
    }

    /// Its state and the calls behind it, from one moment.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let (state, tally) = self.inner.locked(|machine, now| (machine.state(), machine.tally(now)));
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
    #[inline]
    pub fn acquire(&self) -> Result<Permit, Rejection> {
        let word = self.inner.word.load(Ordering::Relaxed);
        match word::pass(word) {
            Some(ticket) => Ok(self.permit(ticket)),
            None => self.acquire_slowly(word),
        }
    }

    #[cold]
    fn acquire_slowly(&self, word: u64) -> Result<Permit, Rejection> {
        let refused = match word::admission(word) {
            word::Admission::Never => Some(Refusal { retry_after: None }),
            word::Admission::From(until) => Refusal::until(until.saturating_sub(self.inner.origin.elapsed())),
            word::Admission::Pass | word::Admission::Ask => None,
        };
        let ticket = match refused {
            Some(refusal) => Err(refusal),
            None => self.inner.locked(Machine::acquire),
        };
        ticket.map(|ticket| self.permit(ticket)).map_err(|refusal| self.rejection(refusal))
    }

    #[inline]
    fn permit(&self, ticket: Ticket) -> Permit {
        Permit::new(Arc::clone(&self.inner), ticket)
    }

    pub(super) fn rejection(&self, refusal: Refusal) -> Rejection {
        Rejection::CircuitOpen { name: Arc::clone(&self.inner.name), retry_after: refusal.retry_after }
    }

    /// Why a request would be rejected now, if it would.
    #[inline]
    pub(super) fn refusal(&self) -> Option<Refusal> {
        let word = self.inner.word.load(Ordering::Relaxed);
        if word::pass(word).is_some() { None } else { self.refusal_now(word) }
    }

    #[cold]
    fn refusal_now(&self, word: u64) -> Option<Refusal> {
        match word::admission(word) {
            word::Admission::Pass => None,
            word::Admission::Never => Some(Refusal { retry_after: None }),
            word::Admission::From(until) => Refusal::until(until.saturating_sub(self.inner.origin.elapsed())),
            word::Admission::Ask => self.inner.locked(Machine::refusal),
        }
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
        self.inner.locked(|machine, now| machine.open_once(wait, now));
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
    /// From when on a call is slow, if that is judged.
    #[inline]
    pub(super) fn slow_after(&self) -> Option<Duration> {
        self.slow_after
    }

    /// Whether a success with this ticket changes nothing, so that there is nothing to record.
    #[inline]
    pub(super) fn absorbs_success(&self, ticket: Ticket) -> bool {
        word::absorbs_success(self.word.load(Ordering::Relaxed), ticket)
    }

    pub(super) fn record(&self, ticket: Ticket, outcome: Outcome, now: Now) {
        let word = self.word.load(Ordering::Relaxed);
        let absorbed = outcome == Outcome::SUCCESS && word::absorbs_success(word, ticket);
        if !absorbed && word::may_count(word, ticket) {
            self.locked_at(now, |machine, now| machine.record(ticket, outcome, now));
        }
    }

    /// Records a failure with which the callee asked to be left alone. Where that is not obeyed, a failure like others.
    #[cold]
    pub(super) fn record_and_open(&self, ticket: Ticket, outcome: Outcome, wait: Duration, now: Now) {
        match self.max_retry_after {
            Some(max) => self.locked_at(now, |machine, now| {
                machine.record_and_open(ticket, outcome, wait.min(max), now);
            }),
            None => self.record(ticket, outcome, now),
        }
    }

    pub(super) fn give_back(&self, ticket: Ticket) {
        if let word::Admission::Ask = word::admission(self.word.load(Ordering::Relaxed)) {
            self.locked(|machine, now| machine.give_back(ticket, now));
        }
    }

    fn locked<R>(&self, step: impl FnOnce(&mut Machine, &mut Now) -> R) -> R {
        self.locked_at(Now::default(), step)
    }

    /// One step of the machine. What happened is told after the lock is gone.
    #[inline]
    fn locked_at<R>(&self, mut now: Now, step: impl FnOnce(&mut Machine, &mut Now) -> R) -> R {
        let mut machine = self.machine.lock().unwrap_or_else(PoisonError::into_inner);
        let result = step(&mut machine, &mut now);
        let transition = machine.take_transition();
        self.word.store(word::of(machine.state(), machine.gate(), self.origin), Ordering::Relaxed);
        drop(machine);
        if let Some(transition) = transition {
            self.announce(&transition);
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
            let latest = word::state(self.word.load(Ordering::Relaxed));
            std::mem::replace(state, latest) != latest
        });
    }
}
