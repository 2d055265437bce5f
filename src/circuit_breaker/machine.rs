//! The state machine: what a circuit does with what happens to it.
//!
//! A plain struct without a lock. The time comes in, and the transitions go out, by a [`Step`]: they are told once no
//! lock is held. Chance comes from a seed of its own.

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::Instant;

use super::probes::{Decision, Probes};
use super::recovery::Recovery;
use super::settings::Settings;
use super::state::State;
use super::step::{Failed, Now, Step, Transition};
use super::ticket::{PROBE, Refusal, Ticket, UNSEEN};
use super::tracker::Tracker;
use crate::backoff::Waits;
use crate::window::{Outcome, Tally};

#[derive(Debug)]
enum Phase {
    Closed,
    Open {
        /// `None` if no clock reaches it.
        until: Option<Instant>,
        /// The wait is known to be over.
        is_due: bool,
        /// The calls that opened the circuit.
        tally: Tally,
    },
    /// Boxed, because it is the largest, and rare.
    HalfOpen(Box<Probes>),
    Recovering(Recovery),
    ForcedOpen,
    ForcedClosed,
    ObserveOnly,
}

/// What an admission needs to know of the machine without asking it: enough for one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    /// Everything passes with this ticket. With `all_success`, recording a success would change nothing.
    Pass { ticket: Ticket, all_success: bool },
    /// Nothing passes before then; `None` is never.
    RejectUntil(Option<Instant>),
    /// A wait is over.
    Due,
    /// Chance decides who passes, with this ticket.
    Draw { ticket: Ticket },
    /// The state says it, or the machine has to be asked.
    Ask,
}

/// What counting an outcome led to.
#[derive(Debug)]
pub(super) enum Counted {
    /// Nothing else.
    Quietly,
    /// The circuit is to open.
    Opens(Tally),
    /// It was not counted: only a circuit that is closed, or observes, counts without a step.
    NotHere,
}

#[derive(Debug)]
pub(super) struct Machine {
    settings: Arc<Settings>,
    phase: Phase,
    /// The last ticket that was given out. A change of state takes one, so that earlier ones are out of date.
    ticket: Ticket,
    tracker: Tracker,
    waits: Waits,
    /// Where the next generator starts. A generator would be four times as large, and is seldom needed.
    seed: u64,
}

impl Machine {
    pub(super) fn new(settings: Arc<Settings>, tracker: Tracker, seed: u64) -> Self {
        let (phase, waits) = (Phase::Closed, Waits::default());
        Self { settings, phase, ticket: 1, tracker, waits, seed }
    }

    pub(super) const fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// An empty tracker like its own.
    pub(super) fn blank_tracker(&self) -> Tracker {
        self.tracker.blank()
    }

    pub(super) fn state(&self) -> State {
        match self.phase {
            Phase::Closed => State::Closed,
            Phase::Open { .. } => State::Open,
            Phase::HalfOpen(_) => State::HalfOpen,
            Phase::Recovering(_) => State::Recovering,
            Phase::ForcedOpen => State::ForcedOpen,
            Phase::ForcedClosed => State::ForcedClosed,
            Phase::ObserveOnly => State::ObserveOnly,
        }
    }

    pub(super) fn gate(&self) -> Gate {
        match self.phase {
            Phase::Closed | Phase::ObserveOnly => {
                Gate::Pass { ticket: self.ticket, all_success: self.tracker.is_all_success() }
            }
            Phase::Open { is_due: true, .. } => Gate::Due,
            Phase::Open { until, .. } => Gate::RejectUntil(until),
            Phase::Recovering(_) => Gate::Draw { ticket: self.ticket },
            Phase::ForcedOpen | Phase::ForcedClosed | Phase::HalfOpen(_) => Gate::Ask,
        }
    }

    /// The calls behind the present state: the window, the probes, or what opened the circuit.
    pub(super) fn tally(&mut self, step: &mut Step) -> Tally {
        match &self.phase {
            Phase::Open { tally, .. } => *tally,
            Phase::HalfOpen(probes) => probes.ended(),
            _ => self.tracker.tally(&mut step.now),
        }
    }

    /// Why a request would not be admitted now, if it certainly would not.
    pub(super) fn refusal(&mut self, step: &mut Step) -> Option<Refusal> {
        self.catch_up(step);
        match &self.phase {
            Phase::Closed | Phase::Recovering(_) | Phase::ObserveOnly | Phase::ForcedClosed => None,
            Phase::ForcedOpen | Phase::Open { until: None, .. } => Some(Refusal::UNKNOWN),
            Phase::Open { until: Some(until), .. } => Refusal::until(until.saturating_duration_since(step.now.get())),
            Phase::HalfOpen(probes) => (!probes.has_room(&self.settings)).then_some(Refusal::UNKNOWN),
        }
    }

    /// Admits a request, or says why not.
    pub(super) fn acquire(&mut self, step: &mut Step) -> Result<Ticket, Refusal> {
        if let Some(refusal) = self.refusal(step) {
            return Err(refusal);
        }
        if let Phase::Open { tally, .. } = self.phase {
            // Open -> HalfOpen: the wait is over.
            self.enter(Phase::HalfOpen(Box::default()), tally, step);
        }
        match &mut self.phase {
            Phase::ForcedClosed => Ok(UNSEEN),
            Phase::HalfOpen(probes) => {
                self.ticket += 1;
                let ticket = self.ticket | PROBE;
                probes.admit(ticket, step.now.get());
                Ok(ticket)
            }
            Phase::Recovering(recovery) => {
                let (recovery, chance) = (*recovery, self.generator().random());
                let over = self.settings.recover_over.unwrap_or_default();
                if recovery.admits(over, step.now.get(), chance) { Ok(self.ticket) } else { Err(Refusal::UNKNOWN) }
            }
            _ => Ok(self.ticket),
        }
    }

    /// When half-open or open next changes by time alone, as far as that is known.
    pub(super) fn next_change(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Open { until, .. } => *until,
            Phase::HalfOpen(probes) => probes.next_expiry(&self.settings),
            _ => None,
        }
    }

    /// Says that the wait is over, so that whoever is asked next need not read the clock.
    pub(super) fn note_due(&mut self, step: &mut Step) {
        let now = step.now.get();
        if let Phase::Open { until: Some(until), is_due, .. } = &mut self.phase {
            *is_due = *until <= now;
        }
    }

    /// Records how an admitted call ended, and in a word what failed. A ticket that is out of date changes nothing.
    #[inline]
    pub(super) fn record(&mut self, ticket: Ticket, outcome: Outcome, failed: Failed, step: &mut Step) {
        self.catch_up(step);
        match self.phase {
            Phase::Closed | Phase::Recovering(_) if ticket == self.ticket => {
                note_failure(outcome, failed, step);
                let (tally, opens) = self.tracker.judge(outcome, &self.settings, &mut step.now);
                if opens {
                    self.open_at(tally, step);
                }
            }
            Phase::ObserveOnly if ticket == self.ticket => {
                self.tracker.record(outcome, &mut step.now);
            }
            Phase::HalfOpen(_) => self.record_probe(ticket, outcome, failed, step),
            _ => {}
        }
    }

    /// Counts a success. What it leads to, if anything, is left to a step: seldom is there one, and most successes of a
    /// circuit that has seen a failure come this way.
    #[inline]
    pub(super) fn count_success(&mut self, ticket: Ticket, now: &mut Now) -> Counted {
        match self.phase {
            Phase::Closed if ticket == self.ticket => {
                let (tally, opens) = self.tracker.judge(Outcome::SUCCESS, &self.settings, now);
                if opens { Counted::Opens(tally) } else { Counted::Quietly }
            }
            Phase::ObserveOnly if ticket == self.ticket => {
                self.tracker.record(Outcome::SUCCESS, now);
                Counted::Quietly
            }
            _ => Counted::NotHere,
        }
    }

    /// Closed, Recovering -> Open: too many failed or were slow.
    pub(super) fn open_at(&mut self, tally: Tally, step: &mut Step) {
        self.open(tally, step.now.get(), step);
    }

    fn record_probe(&mut self, ticket: Ticket, outcome: Outcome, failed: Failed, step: &mut Step) {
        let Phase::HalfOpen(probes) = &mut self.phase else { return };
        if probes.take(ticket) {
            probes.record(outcome);
            note_failure(outcome, failed, step);
            self.decide(step.now.get(), step);
        }
    }

    /// Takes an admission back that says nothing of the upstream.
    pub(super) fn release(&mut self, ticket: Ticket, step: &mut Step) {
        self.cancel(ticket, Duration::ZERO, step);
    }

    /// Takes back the admission of a call that was cancelled after so much time of the upstream.
    pub(super) fn cancel(&mut self, ticket: Ticket, spent: Duration, step: &mut Step) {
        self.catch_up(step);
        let Phase::HalfOpen(probes) = &mut self.phase else { return };
        if !probes.take(ticket) {
            return;
        }
        step.freed = true;
        probes.add_cancelled(spent);
        while let Phase::HalfOpen(probes) = &mut self.phase {
            if !probes.expire_cancelled(&self.settings) {
                break;
            }
            step.failed = Some(Some("cancelled".into()));
            self.decide(step.now.get(), step);
        }
    }

    /// Notes that the head of a probe's response is there, and good.
    pub(super) fn note_head(&mut self, ticket: Ticket, step: &mut Step) {
        self.catch_up(step);
        if let Phase::HalfOpen(probes) = &mut self.phase {
            probes.note_head(ticket);
        }
    }

    /// Opens for `wait`, whatever the calls say. Does not lengthen later waits.
    pub(super) fn force_open_for(&mut self, wait: Duration, step: &mut Step) {
        let (tally, until) = (self.tally(step), step.now.get().checked_add(wait));
        // Those who wait for the end of an open wait are told also where the state stays the same.
        step.freed = true;
        self.enter_as(Phase::Open { until, is_due: false, tally }, tally, true, step);
    }

    pub(super) fn force_open(&mut self, step: &mut Step) {
        self.switch(Phase::ForcedOpen, step);
    }

    pub(super) fn force_closed(&mut self, step: &mut Step) {
        self.switch(Phase::ForcedClosed, step);
    }

    pub(super) fn observe_only(&mut self, step: &mut Step) {
        self.switch(Phase::ObserveOnly, step);
    }

    /// Back to the beginning: closed, with nothing recorded and the first wait ahead.
    pub(super) fn reset(&mut self, step: &mut Step) {
        self.switch(Phase::Closed, step);
    }

    /// Goes by other numbers from now on. `tracker` is an empty one of the new shape.
    pub(super) fn reconfigure(&mut self, settings: Arc<Settings>, tracker: Tracker, step: &mut Step) {
        self.catch_up(step);
        if settings.open_for != self.settings.open_for {
            self.waits = Waits::default();
        }
        self.settings = settings;
        if let Phase::HalfOpen(probes) = &mut self.phase {
            // By a shorter timeout it could be many failures, and whatever ends next would count them.
            probes.forget_cancelled();
        }
        self.tracker.reshape(tracker);
        // Puts the edges of a new time window in place.
        self.tracker.tally(&mut step.now);
        step.freed = true;
        self.decide(step.now.get(), step);
    }

    /// An operator's switch: what was known is forgotten.
    fn switch(&mut self, phase: Phase, step: &mut Step) {
        let tally = self.tally(step);
        self.tracker.clear();
        self.waits = Waits::default();
        self.enter_as(phase, tally, true, step);
    }

    #[cold]
    fn open(&mut self, tally: Tally, since: Instant, step: &mut Step) {
        let mut generator = self.generator();
        // Jitter may draw next to nothing, but to open and to be half-open are two steps.
        let wait = self.waits.next_of_open(&self.settings.open_for, &mut generator).max(Duration::from_nanos(1));
        self.enter(Phase::Open { until: since.checked_add(wait), is_due: false, tally }, tally, step);
    }

    fn generator(&mut self) -> SmallRng {
        let mut generator = SmallRng::seed_from_u64(self.seed);
        self.seed = generator.random();
        generator
    }

    /// Does what time has done since the machine was last asked.
    #[inline]
    fn catch_up(&mut self, step: &mut Step) {
        if matches!(self.phase, Phase::HalfOpen(_)) {
            self.expire_probes(step);
        }
        if let Phase::Recovering(recovery) = self.phase {
            self.end_recovery(recovery, step);
        }
    }

    /// Ends the probes whose time is over, each from when it was.
    fn expire_probes(&mut self, step: &mut Step) {
        let now = step.now.get();
        while let Phase::HalfOpen(probes) = &mut self.phase {
            let Some((end, failed)) = probes.expire(now, &self.settings) else { break };
            if failed {
                step.failed = Some(Some("probe_timeout".into()));
            }
            self.decide(end, step);
        }
    }

    /// Ends half-open, as of `since`, once the probes that are missing cannot change the result.
    fn decide(&mut self, since: Instant, step: &mut Step) {
        let Phase::HalfOpen(probes) = &self.phase else { return };
        let tally = probes.ended();
        match probes.decision(&self.settings) {
            // HalfOpen -> Open: too many probes failed or were slow.
            Some(Decision::Open) => self.open(tally, since, step),
            Some(Decision::Close) => self.close(tally, since, step),
            None => {}
        }
    }

    fn close(&mut self, tally: Tally, since: Instant, step: &mut Step) {
        self.tracker.clear();
        if self.settings.recover_over.is_some() {
            // HalfOpen -> Recovering: too few probes are left to fail.
            self.enter(Phase::Recovering(Recovery::new(since)), tally, step);
        } else {
            // HalfOpen -> Closed: the same, and everything passes at once.
            self.waits = Waits::default();
            self.enter(Phase::Closed, tally, step);
        }
    }

    #[cold]
    fn end_recovery(&mut self, recovery: Recovery, step: &mut Step) {
        if recovery.is_over(self.settings.recover_over.unwrap_or_default(), step.now.get()) {
            // Recovering -> Closed: the upstream held all the while. The window and its tickets go on.
            self.waits = Waits::default();
            let (ticket, tally) = (self.ticket, self.tally(step));
            self.enter(Phase::Closed, tally, step);
            self.ticket = ticket;
        }
    }

    fn enter(&mut self, phase: Phase, tally: Tally, step: &mut Step) {
        self.enter_as(phase, tally, false, step);
    }

    fn enter_as(&mut self, phase: Phase, tally: Tally, is_forced: bool, step: &mut Step) {
        let from = self.state();
        self.phase = phase;
        self.ticket += 1;
        let to = self.state();
        if from != to {
            step.transitions.push(Transition { from, to, tally, is_forced });
        }
    }
}

fn note_failure(outcome: Outcome, failed: Failed, step: &mut Step) {
    if outcome.failed {
        step.failed = Some(failed);
    } else if outcome.slow {
        step.failed = Some(Some("slow".into()));
    }
}

#[cfg(test)]
mod tests;
