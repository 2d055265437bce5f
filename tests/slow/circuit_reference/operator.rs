//! An operator switches the reference by hand, or gives it other rules.

use std::time::Duration;

use windbreak::circuit_breaker::State;

use super::reference::Reference;
use super::rules::{Rules, Window};

#[derive(Debug, Clone, Copy)]
pub(super) enum Switch {
    ForceOpen,
    ForceClosed,
    ObserveOnly,
    OpenFor(Duration),
    Reset,
}

impl Reference {
    /// Goes by other rules. The window keeps what it has room for.
    pub(super) fn reconfigure(&mut self, rules: Rules) {
        self.notice_time();
        self.judgements.clear();
        self.cancelled = Duration::ZERO;
        match (self.rules.window, rules.window) {
            (Window::Count(before), Window::Count(after)) => {
                let kept = self.recorded.len().min(before).min(after);
                self.recorded.drain(..self.recorded.len() - kept);
            }
            (before, after) if before == after => {}
            _ => {
                self.recorded.clear();
                self.edges_from = self.now;
            }
        }
        let waits = |rules: &Rules| (rules.first_wait, rules.factor, rules.max_wait);
        if waits(&rules) != waits(&self.rules) {
            self.openings_in_a_row = 0;
        }
        self.rules = rules;
        self.judge_probes(self.now);
    }

    pub(super) fn operate(&mut self, switch: Switch) {
        let state = match switch {
            Switch::OpenFor(wait) => {
                self.opened_by = self.tally();
                self.open_until = (wait != Duration::MAX).then(|| self.now + wait);
                return self.change_to(State::Open);
            }
            Switch::ForceOpen => State::ForcedOpen,
            Switch::ForceClosed => State::ForcedClosed,
            Switch::ObserveOnly => State::ObserveOnly,
            Switch::Reset => State::Closed,
        };
        self.forget();
        self.change_to(state);
    }
}
