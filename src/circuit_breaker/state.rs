//! The state machine: what a circuit does with what happens to it.
//!
//! A plain struct without a lock. What it takes from outside and what it tells is in a [`Step`]: the rules, the time,
//! and the [`Transition`]s that were made, to be spoken of once no lock is held. Chance comes from a seed of its own.

use std::fmt;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::Instant;

use super::rules::Rules;
use crate::backoff::Waits;
use crate::window::{CountWindow, Outcome, Tally, TimeWindow};

/// What a circuit is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// Passes every request, and watches how they go.
    Closed,
    /// Rejects every request until its wait is over.
    Open,
    /// Passes a few requests as probes and rejects the others.
    HalfOpen,
    /// Rejects every request until an operator says otherwise.
    ForcedOpen,
    /// Passes every request and records nothing, until an operator says otherwise.
    ForcedClosed,
    /// Passes every request and records how they go, but never opens, until an operator says otherwise.
    ObserveOnly,
}

impl State {
    /// The state in lower case with underscores, as it stands in events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
            Self::ForcedOpen => "forced_open",
            Self::ForcedClosed => "forced_closed",
            Self::ObserveOnly => "observe_only",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The tracker a circuit was built with. The time window is boxed because it is three times as large.
#[derive(Debug, Clone)]
pub(super) enum Window {
    Count(CountWindow),
    Time(Box<TimeWindow>),
}

impl Window {
    #[inline]
    fn record(&mut self, outcome: Outcome, now: &mut Now) -> Tally {
        match self {
            Self::Count(window) => window.record(outcome),
            Self::Time(window) => window.record(outcome, now.get()),
        }
    }

    fn tally(&mut self, now: &mut Now) -> Tally {
        match self {
            Self::Count(window) => window.tally(),
            Self::Time(window) => window.tally(now.get()),
        }
    }

    fn clear(&mut self) {
        match self {
            Self::Count(window) => window.clear(),
            Self::Time(window) => window.clear(),
        }
    }
}

/// The present: the clock is read when it is first asked for, and once.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Now(Option<Instant>);

impl Now {
    #[inline]
    pub(super) fn get(&mut self) -> Instant {
        *self.0.get_or_insert_with(Instant::now)
    }
}

impl From<Instant> for Now {
    fn from(now: Instant) -> Self {
        Self(Some(now))
    }
}

/// What one step of the machine takes from outside, and what it tells.
#[derive(Debug)]
pub(super) struct Step<'a> {
    pub(super) rules: &'a Rules,
    pub(super) now: Now,
    /// The changes of state that it made. There can be two: hung probes open the circuit, and that wait is over too.
    pub(super) transitions: Vec<Transition>,
}

impl<'a> Step<'a> {
    pub(super) const fn new(rules: &'a Rules, now: Now) -> Self {
        Self { rules, now, transitions: Vec::new() }
    }
}

/// The number of an admission. An answer counts only while its ticket is valid: the ticket of a closed circuit until
/// it next changes state, the ticket of a probe until the probe is settled or given up.
pub(super) type Ticket = u64;

/// The ticket of a call of which nothing is recorded, or no longer. Tickets count from 1.
pub(super) const UNSEEN: Ticket = 0;

/// A request was not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusal {
    /// How long until one would be, where that is known.
    pub(super) retry_after: Option<Duration>,
}

impl Refusal {
    /// None, once there is no time left.
    pub(super) fn until(left: Duration) -> Option<Self> {
        (!left.is_zero()).then_some(Self { retry_after: Some(left) })
    }
}

/// One change of state, and the calls that led to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Transition {
    pub(super) from: State,
    pub(super) to: State,
    pub(super) tally: Tally,
}

#[derive(Debug)]
enum Phase {
    Closed,
    /// `until` is `None` if no clock reaches it. `tally` holds the calls that opened the circuit.
    Open {
        until: Option<Instant>,
        tally: Tally,
    },
    HalfOpen {
        /// The probes that have answered, or that were given up as failed.
        settled: Tally,
        /// The probes that are out, in the order they went.
        out: Vec<Probe>,
    },
    ForcedOpen,
    ForcedClosed,
    ObserveOnly,
}

#[derive(Debug)]
struct Probe {
    ticket: Ticket,
    since: Instant,
}

/// What an admission needs to know of the machine without asking it: enough for one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    /// Everything passes with this ticket. With `all_success`, recording a success would change nothing.
    Pass { ticket: Ticket, all_success: bool },
    /// Nothing passes before then; `None` is never.
    RejectUntil(Option<Instant>),
    /// Whatever passes or not, the state says it, or the machine has to be asked.
    Ask,
}

#[derive(Debug)]
pub(super) struct Machine {
    phase: Phase,
    /// The last ticket that was given out. Every change of state takes one, so that earlier ones are out of date.
    ticket: Ticket,
    window: Window,
    waits: Waits,
    /// Where the next generator starts. A generator would be four times as large, and is needed only to open.
    seed: u64,
}

impl Machine {
    pub(super) fn new(window: Window, seed: u64) -> Self {
        Self { phase: Phase::Closed, ticket: 1, window, waits: Waits::default(), seed }
    }

    /// An empty window like its own.
    pub(super) fn blank_window(&self) -> Window {
        let mut window = self.window.clone();
        window.clear();
        window
    }

    pub(super) fn state(&self) -> State {
        match self.phase {
            Phase::Closed => State::Closed,
            Phase::Open { .. } => State::Open,
            Phase::HalfOpen { .. } => State::HalfOpen,
            Phase::ForcedOpen => State::ForcedOpen,
            Phase::ForcedClosed => State::ForcedClosed,
            Phase::ObserveOnly => State::ObserveOnly,
        }
    }

    pub(super) fn gate(&self) -> Gate {
        match self.phase {
            Phase::Closed | Phase::ObserveOnly => {
                let all_success = match &self.window {
                    Window::Count(window) => window.is_all_success(),
                    Window::Time(_) => false,
                };
                Gate::Pass { ticket: self.ticket, all_success }
            }
            Phase::Open { until, .. } => Gate::RejectUntil(until),
            Phase::ForcedOpen | Phase::ForcedClosed | Phase::HalfOpen { .. } => Gate::Ask,
        }
    }

    /// The calls behind the present state: the window, the probes, or what opened the circuit.
    pub(super) fn tally(&mut self, step: &mut Step<'_>) -> Tally {
        match &self.phase {
            Phase::Open { tally, .. } => *tally,
            Phase::HalfOpen { settled, .. } => *settled,
            _ => self.window.tally(&mut step.now),
        }
    }

    /// Why a request would not be admitted now, if it would not.
    pub(super) fn refusal(&mut self, step: &mut Step<'_>) -> Option<Refusal> {
        self.give_up_probes(step);
        match &self.phase {
            Phase::Closed | Phase::ObserveOnly | Phase::ForcedClosed => None,
            Phase::ForcedOpen | Phase::Open { until: None, .. } => Some(Refusal { retry_after: None }),
            Phase::Open { until: Some(until), .. } => Refusal::until(until.saturating_duration_since(step.now.get())),
            Phase::HalfOpen { settled, out } => {
                let all_out = settled.calls + out.len() as u64 >= step.rules.probes;
                all_out.then_some(Refusal { retry_after: None })
            }
        }
    }

    /// Admits a request, or says why not.
    pub(super) fn acquire(&mut self, step: &mut Step<'_>) -> Result<Ticket, Refusal> {
        if let Some(refusal) = self.refusal(step) {
            return Err(refusal);
        }
        if let Phase::Open { tally, .. } = self.phase {
            // Open -> HalfOpen: the wait is over.
            self.enter(Phase::HalfOpen { settled: Tally::default(), out: Vec::new() }, tally, step);
        }
        Ok(match &mut self.phase {
            Phase::ForcedClosed => UNSEEN,
            Phase::HalfOpen { out, .. } => {
                self.ticket += 1;
                out.push(Probe { ticket: self.ticket, since: step.now.get() });
                self.ticket
            }
            _ => self.ticket,
        })
    }

    /// Records how an admitted call went. A ticket that is out of date changes nothing.
    #[inline]
    pub(super) fn record(&mut self, ticket: Ticket, outcome: Outcome, step: &mut Step<'_>) {
        match self.phase {
            Phase::Closed if ticket == self.ticket => {
                let tally = self.window.record(outcome, &mut step.now);
                // Closed -> Open: too many failed or were slow.
                if step.rules.opens_at(tally) {
                    self.open(tally, step.now.get(), step);
                }
            }
            Phase::ObserveOnly if ticket == self.ticket => {
                self.window.record(outcome, &mut step.now);
            }
            Phase::HalfOpen { .. } => self.settle_probe(ticket, Some(outcome), step),
            _ => {}
        }
    }

    /// Records a failure with which the callee asked to be left alone for `wait`, and opens for that long, or for the
    /// wait that is due anyway if that is longer.
    pub(super) fn record_and_open(&mut self, ticket: Ticket, outcome: Outcome, wait: Duration, step: &mut Step<'_>) {
        self.give_up_probes(step);
        let (tally, tripped) = match &mut self.phase {
            Phase::Closed if ticket == self.ticket => {
                let tally = self.window.record(outcome, &mut step.now);
                (tally, step.rules.opens_at(tally))
            }
            Phase::HalfOpen { settled, out } => {
                if !take_probe(out, ticket) {
                    return;
                }
                settled.add(outcome);
                (*settled, true)
            }
            _ => return self.record(ticket, outcome, step),
        };
        let due = if tripped { self.next_wait(step.rules) } else { Duration::ZERO };
        // Closed, HalfOpen -> Open: the callee asked for it.
        self.open_for(due.max(wait), tally, step.now.get(), step);
    }

    /// Takes an admission back of which nothing is known.
    pub(super) fn give_back(&mut self, ticket: Ticket, step: &mut Step<'_>) {
        self.settle_probe(ticket, None, step);
    }

    /// Opens for `wait`, whatever the calls say. Does not lengthen later waits.
    pub(super) fn open_once(&mut self, wait: Duration, step: &mut Step<'_>) {
        let tally = self.tally(step);
        self.open_for(wait, tally, step.now.get(), step);
    }

    pub(super) fn force_open(&mut self, step: &mut Step<'_>) {
        self.switch(Phase::ForcedOpen, step);
    }

    pub(super) fn force_closed(&mut self, step: &mut Step<'_>) {
        self.switch(Phase::ForcedClosed, step);
    }

    pub(super) fn observe_only(&mut self, step: &mut Step<'_>) {
        self.switch(Phase::ObserveOnly, step);
    }

    /// Back to the beginning: closed, with nothing recorded and the first wait ahead.
    pub(super) fn reset(&mut self, step: &mut Step<'_>) {
        self.switch(Phase::Closed, step);
    }

    /// An operator's switch: what was known is forgotten.
    fn switch(&mut self, phase: Phase, step: &mut Step<'_>) {
        let tally = self.tally(step);
        self.start_over();
        self.enter(phase, tally, step);
    }

    fn start_over(&mut self) {
        self.window.clear();
        self.waits = Waits::default();
    }

    #[cold]
    fn open(&mut self, tally: Tally, since: Instant, step: &mut Step<'_>) {
        let wait = self.next_wait(step.rules);
        self.open_for(wait, tally, since, step);
    }

    fn open_for(&mut self, wait: Duration, tally: Tally, since: Instant, step: &mut Step<'_>) {
        self.enter(Phase::Open { until: since.checked_add(wait), tally }, tally, step);
    }

    /// Jitter may draw zero, but to open and to be half-open are two steps.
    fn next_wait(&mut self, rules: &Rules) -> Duration {
        let mut rng = SmallRng::seed_from_u64(self.seed);
        self.seed = rng.random();
        self.waits.next(&rules.open_for, &mut rng).max(Duration::from_nanos(1))
    }

    /// Counts the probes as failed that should have answered by now, each from when its time was over; and as slow, if by
    /// then they were.
    fn give_up_probes(&mut self, step: &mut Step<'_>) {
        let Phase::HalfOpen { out, .. } = &mut self.phase else { return };
        let now = step.now.get();
        let timeout = step.rules.probe_timeout;
        let slow = step.rules.slow_calls.is_some_and(|slow| slow.threshold <= timeout);
        let given_up = out.partition_point(|probe| now.saturating_duration_since(probe.since) > timeout);
        for probe in out.drain(..given_up).collect::<Vec<_>>() {
            let Phase::HalfOpen { settled, .. } = &mut self.phase else { return };
            settled.add(Outcome { failed: true, slow });
            self.decide(probe.since + timeout, step);
        }
    }

    fn settle_probe(&mut self, ticket: Ticket, outcome: Option<Outcome>, step: &mut Step<'_>) {
        self.give_up_probes(step);
        let Phase::HalfOpen { settled, out } = &mut self.phase else { return };
        if let (true, Some(outcome)) = (take_probe(out, ticket), outcome) {
            settled.add(outcome);
            self.decide(step.now.get(), step);
        }
    }

    /// Ends half-open, as of `since`, once the probes that are still missing cannot change the result.
    fn decide(&mut self, since: Instant, step: &mut Step<'_>) {
        let Phase::HalfOpen { settled, .. } = self.phase else { return };
        let probes = step.rules.probes;
        let missing = probes - settled.calls;
        let at_best = Tally { calls: probes, ..settled };
        let at_worst = Tally { calls: probes, failures: settled.failures + missing, slow: settled.slow + missing };
        if step.rules.tripped_by(at_best) {
            // HalfOpen -> Open: too many probes failed or were slow.
            self.open(settled, since, step);
        } else if !step.rules.tripped_by(at_worst) {
            // HalfOpen -> Closed: too few are left to fail.
            self.start_over();
            self.enter(Phase::Closed, settled, step);
        }
    }

    fn enter(&mut self, phase: Phase, tally: Tally, step: &mut Step<'_>) {
        let from = self.state();
        self.phase = phase;
        self.ticket += 1;
        let to = self.state();
        if from != to {
            step.transitions.push(Transition { from, to, tally });
        }
    }
}

/// Takes a probe from those that are out, if it still is.
fn take_probe(out: &mut Vec<Probe>, ticket: Ticket) -> bool {
    let index = out.iter().position(|probe| probe.ticket == ticket);
    index.map(|index| out.remove(index)).is_some()
}

#[cfg(test)]
mod tests;
