//! The probes of a half-open circuit.

use std::time::Duration;

use tokio::time::Instant;

use super::settings::Settings;
use super::ticket::Ticket;
use crate::window::{Outcome, Tally};

#[derive(Debug, Default)]
pub(super) struct Probes {
    /// Those that have ended.
    ended: Tally,
    /// Those that are in flight, in the order in which they were admitted.
    in_flight: Vec<Probe>,
    /// The time that cancelled probes took, less the timeouts that have been counted as failures.
    cancelled: Duration,
}

#[derive(Debug)]
struct Probe {
    ticket: Ticket,
    since: Instant,
    /// The head of its response came in time, and was good.
    has_head: bool,
}

/// What the probes say of the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    Open,
    Close,
}

impl Probes {
    pub(super) const fn ended(&self) -> Tally {
        self.ended
    }

    pub(super) fn has_room(&self, settings: &Settings) -> bool {
        self.ended.calls + (self.in_flight.len() as u64) < settings.probes as u64
    }

    pub(super) fn admit(&mut self, ticket: Ticket, now: Instant) {
        self.in_flight.push(Probe { ticket, since: now, has_head: false });
    }

    /// The head of its response is there: from now on the probe can only fail by its body.
    pub(super) fn note_head(&mut self, ticket: Ticket) {
        if let Some(probe) = self.in_flight.iter_mut().find(|probe| probe.ticket == ticket) {
            probe.has_head = true;
        }
    }

    /// Takes a probe from those in flight, if it is one of them.
    pub(super) fn take(&mut self, ticket: Ticket) -> bool {
        let index = self.in_flight.iter().position(|probe| probe.ticket == ticket);
        index.map(|index| self.in_flight.remove(index)).is_some()
    }

    pub(super) fn record(&mut self, outcome: Outcome) {
        self.ended.add(outcome);
    }

    /// Ends the first probe whose time is over, and says when it was, and whether the probe failed: one that has a good
    /// head did not.
    pub(super) fn expire(&mut self, now: Instant, settings: &Settings) -> Option<(Instant, bool)> {
        let timeout = settings.probe_timeout();
        let first = self.in_flight.first().filter(|probe| now.saturating_duration_since(probe.since) > timeout)?;
        let (end, failed) = (first.since + timeout, !first.has_head);
        self.in_flight.remove(0);
        self.record(Outcome::new(failed, failed && settings.is_slow_at(timeout)));
        Some((end, failed))
    }

    /// When the next probe has expired, which it has not at the very end of its time; `None` if no clock reaches that far.
    pub(super) fn next_expiry(&self, settings: &Settings) -> Option<Instant> {
        let end = self.in_flight.first()?.since.checked_add(settings.probe_timeout())?;
        end.checked_add(Duration::from_nanos(1))
    }

    /// Adds the time of a cancelled probe.
    pub(super) fn add_cancelled(&mut self, spent: Duration) {
        self.cancelled = self.cancelled.saturating_add(spent);
    }

    /// Forgets the time of cancelled probes that no failure was counted for yet.
    pub(super) fn forget_cancelled(&mut self) {
        self.cancelled = Duration::ZERO;
    }

    /// Counts a full timeout of cancelled time, if there is one, as a failed probe.
    pub(super) fn expire_cancelled(&mut self, settings: &Settings) -> bool {
        let Some(rest) = self.cancelled.checked_sub(settings.probe_timeout()) else { return false };
        self.cancelled = rest;
        self.record(Outcome::new(true, settings.is_slow_at(settings.probe_timeout())));
        true
    }

    /// What is certain, whatever the probes that are missing say.
    pub(super) fn decision(&self, settings: &Settings) -> Option<Decision> {
        let ended = self.ended;
        let calls = ended.calls.max(settings.probes as u64);
        let missing = calls - ended.calls;
        let at_best = Tally { calls, ..ended };
        let at_worst = Tally { calls, failures: ended.failures + missing, slow: ended.slow + missing };
        if settings.is_ratio_reached_by(at_best) {
            Some(Decision::Open)
        } else if settings.is_ratio_reached_by(at_worst) {
            None
        } else {
            Some(Decision::Close)
        }
    }
}
