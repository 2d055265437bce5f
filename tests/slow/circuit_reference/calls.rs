//! The reference admits a request or rejects it, and records how its call ends.

use std::time::Duration;

use windbreak::Verdict;
use windbreak::circuit_breaker::State;

use super::reference::{Probe, Recorded, Reference};

/// A request that was admitted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    began: Duration,
    /// Between which two changes of state it was admitted; `None` if nothing is recorded of it.
    era: Option<u64>,
    /// Its place among the probes of that era, if it is one.
    probe: Option<usize>,
    /// Whether its time counts.
    timed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum End {
    Says(Verdict),
    Panics,
    IsCancelled,
}

impl Reference {
    pub(super) fn acquire(&mut self) -> Result<Call, Option<Duration>> {
        self.notice_time();
        if self.state == State::Open && self.open_until.is_some_and(|until| self.now >= until) {
            self.saw("open to half-open");
            if self.open_until == Some(self.now) {
                self.saw("admitted at the very end of the wait");
            }
            self.change_to(State::HalfOpen);
        }
        let taken = self.probes.iter().filter(|probe| !matches!(probe, Probe::GivenBack)).count() as u64;
        let mut probe = None;
        match self.state {
            State::Open => return Err(self.open_until.map(|until| until.saturating_sub(self.now))),
            State::ForcedOpen => return Err(None),
            State::HalfOpen if taken >= self.rules.probes => {
                self.saw("all probes are out");
                return Err(None);
            }
            State::HalfOpen => {
                probe = Some(self.probes.len());
                self.probes.push(Probe::Out { since: self.now });
            }
            _ => {}
        }
        let era = (self.state != State::ForcedClosed).then_some(self.era);
        let timed = probe.is_some() || self.rules.slow.is_some() || self.rules.abandoned_after.is_some();
        Ok(Call { began: self.now, era, probe, timed })
    }

    pub(super) fn finish(&mut self, call: Call, end: End) {
        let Some(era) = call.era else { return };
        let ran = self.now.saturating_sub(call.began);
        let slow = call.timed && self.rules.slow.is_some_and(|(threshold, _)| ran > threshold);
        let abandoned = call.timed && self.rules.abandoned_after.is_some_and(|duration| ran >= duration);
        let failed = match end {
            End::Says(Verdict::Failure(_)) | End::Panics => Some(true),
            End::Says(Verdict::Ignored) => None,
            End::Says(_) => Some(false),
            End::IsCancelled if abandoned => Some(true),
            End::IsCancelled => slow.then_some(false),
        };
        let recorded = failed.map(|failed| Recorded { at: self.now, failed, slow });
        let is_probe = self.state == State::HalfOpen && call.probe.is_some();
        if is_probe || self.state == State::Recovering && era == self.era && recorded.is_some() {
            self.notice_time();
        }
        if era != self.era {
            self.saw("result of an earlier era");
            return;
        }
        match (self.state, recorded, call.probe) {
            (State::Closed | State::Recovering, Some(recorded), _) => {
                if abandoned && end == End::IsCancelled {
                    self.saw("abandoned");
                }
                self.recorded.push(recorded);
                self.judge_window();
            }
            (State::ObserveOnly, Some(recorded), _) => self.recorded.push(recorded),
            (State::HalfOpen, recorded, Some(probe)) => {
                let Probe::Out { since } = self.probes[probe] else { return };
                self.probes[probe] = recorded.map_or(Probe::GivenBack, Probe::Ended);
                if recorded.is_some() {
                    return self.judge_probes(self.now);
                }
                self.saw("probe gives its place back");
                if end == End::IsCancelled {
                    self.add_cancelled(self.now.saturating_sub(since));
                }
            }
            _ => {}
        }
    }
}
