//! The reference judges the calls that it keeps: when it opens, when its probes decide, and what time changes.

use std::collections::BTreeMap;
use std::time::Duration;

use windbreak::circuit_breaker::State;
use windbreak::window::Tally;

use super::rules::{Rules, Window};

#[derive(Debug, Clone, Copy)]
pub(super) struct Recorded {
    pub(super) at: Duration,
    pub(super) failed: bool,
    pub(super) slow: bool,
}

fn count<'a>(calls: impl Iterator<Item = &'a Recorded>) -> Tally {
    let mut tally = Tally::default();
    for call in calls {
        tally.calls += 1;
        tally.failures += u64::from(call.failed);
        tally.slow += u64::from(call.slow);
    }
    tally
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Probe {
    Out { since: Duration },
    GivenBack,
    Ended(Recorded),
}

pub(super) struct Reference {
    pub(super) rules: Rules,
    pub(super) now: Duration,
    pub(super) state: State,
    pub(super) era: u64,
    pub(super) recorded: Vec<Recorded>,
    /// When the window was judged, and whether the failures were too many.
    pub(super) judgements: Vec<(Duration, bool)>,
    pub(super) probes: Vec<Probe>,
    /// The time of cancelled probes that is not yet counted.
    pub(super) cancelled: Duration,
    recovering_since: Duration,
    /// Where the edges of a time window begin.
    pub(super) edges_from: Duration,
    pub(super) opened_by: Tally,
    /// `None` is never.
    pub(super) open_until: Option<Duration>,
    pub(super) openings_in_a_row: u32,
    pub(super) seen: BTreeMap<&'static str, u64>,
}

impl Reference {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            rules,
            now: Duration::ZERO,
            state: State::Closed,
            era: 0,
            recorded: Vec::new(),
            judgements: Vec::new(),
            probes: Vec::new(),
            cancelled: Duration::ZERO,
            recovering_since: Duration::ZERO,
            edges_from: Duration::ZERO,
            opened_by: Tally::default(),
            open_until: None,
            openings_in_a_row: 0,
            seen: BTreeMap::new(),
        }
    }

    pub(super) fn saw(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    fn window(&self) -> Tally {
        match self.rules.window {
            Window::Count(calls) => count(self.recorded.iter().rev().take(calls)),
            // The clock is cut at fixed edges; a call counts while fewer edges than buckets lie between it and now.
            Window::Time { nanos, buckets } => {
                let edges =
                    |at: Duration| at.saturating_sub(self.edges_from).as_nanos() * buckets as u128 / u128::from(nanos);
                count(self.recorded.iter().filter(|call| edges(self.now) - edges(call.at) < buckets as u128))
            }
        }
    }

    pub(super) fn tally(&self) -> Tally {
        match self.state {
            State::Open => self.opened_by,
            State::HalfOpen => count(self.ended_probes().iter()),
            _ => self.window(),
        }
    }

    fn ended_probes(&self) -> Vec<Recorded> {
        let ended = |probe: &Probe| if let Probe::Ended(recorded) = probe { Some(*recorded) } else { None };
        self.probes.iter().filter_map(ended).collect()
    }

    fn too_many(&self, tally: Tally) -> bool {
        self.rules.failures.is_reached_by(tally.failures, tally.calls)
            || self.rules.slow.is_some_and(|(_, share)| share.is_reached_by(tally.slow, tally.calls))
    }

    pub(super) fn change_to(&mut self, state: State) {
        self.state = state;
        self.era += 1;
        self.probes.clear();
        self.cancelled = Duration::ZERO;
    }

    fn forget_calls(&mut self) {
        self.recorded.clear();
        self.judgements.clear();
    }

    pub(super) fn forget(&mut self) {
        self.forget_calls();
        self.openings_in_a_row = 0;
    }

    fn next_wait(&mut self) -> Duration {
        let mut wait = self.rules.first_wait;
        for _ in 0..self.openings_in_a_row {
            wait = (wait * self.rules.factor).min(self.rules.max_wait);
        }
        self.openings_in_a_row += 1;
        wait
    }

    fn open(&mut self, at: Duration, wait: Duration) {
        self.open_until = Some(at + wait);
        self.opened_by = self.tally();
        self.change_to(State::Open);
    }

    pub(super) fn judge_window(&mut self) {
        let tally = self.window();
        let exceeded = tally.calls >= self.rules.minimum_calls && self.too_many(tally);
        self.judgements.push((self.now, exceeded));
        if !exceeded {
            return;
        }
        // Back to where the failures first were too many.
        let run = self.judgements.iter().rev().take_while(|(_, exceeded)| *exceeded);
        let since = run.map(|(at, _)| *at).min().expect("it is exceeded now");
        let last = self.recorded.last().expect("a call was recorded");
        let spans = self.rules.minimum_span.is_zero()
            || ((last.failed || last.slow) && self.now.saturating_sub(since) >= self.rules.minimum_span);
        if spans {
            self.saw(if self.state == State::Closed { "closed to open" } else { "recovering to open" });
            let wait = self.next_wait();
            self.open(self.now, wait);
        } else {
            self.saw("failures that do not span the time");
        }
    }

    /// Tries every way in which the missing probes can end. If all lead to the same judgement, that is it.
    pub(super) fn judge_probes(&mut self, at: Duration) {
        if self.state != State::HalfOpen {
            return;
        }
        let ended = self.tally();
        let probes = self.rules.probes.max(ended.calls);
        let missing = probes - ended.calls;
        let mut judgements = Vec::new();
        for failures in 0..=missing {
            for slow in 0..=missing {
                judgements.push(self.too_many(Tally::new(probes, ended.failures + failures, ended.slow + slow)));
            }
        }
        if judgements.iter().all(|&too_many| too_many) {
            self.saw("half-open to open");
            let wait = self.next_wait();
            self.open(at, wait);
        } else if !judgements.contains(&true) {
            self.forget_calls();
            if self.rules.recover_over.is_some() {
                self.saw("half-open to recovering");
                self.recovering_since = at;
                self.change_to(State::Recovering);
            } else {
                self.saw("half-open to closed");
                self.openings_in_a_row = 0;
                self.change_to(State::Closed);
            }
        }
    }

    /// Hung probes and the end of a recovery are noticed when a request arrives or a result comes in.
    pub(super) fn notice_time(&mut self) {
        self.notice_hung_probes();
        let over = self.rules.recover_over.unwrap_or_default();
        if self.state == State::Recovering && self.now >= self.recovering_since + over {
            self.saw("recovering to closed");
            self.openings_in_a_row = 0;
            // Calls that are under way still count, so the era goes on.
            self.state = State::Closed;
        }
    }

    /// A probe was cancelled: its time is added to that of others, and each full timeout of it is a failed probe.
    pub(super) fn add_cancelled(&mut self, spent: Duration) {
        self.cancelled += spent;
        while self.state == State::HalfOpen && self.cancelled >= self.rules.probe_timeout {
            self.saw("cancelled probes add up");
            self.cancelled -= self.rules.probe_timeout;
            self.probes.push(Probe::Ended(Recorded { at: self.now, failed: true, slow: self.is_hung_slow() }));
            self.judge_probes(self.now);
        }
    }

    fn is_hung_slow(&self) -> bool {
        self.rules.slow.is_some_and(|(threshold, _)| self.rules.probe_timeout >= threshold)
    }

    /// What hung probes change, they changed when their time was over.
    fn notice_hung_probes(&mut self) {
        let timeout = self.rules.probe_timeout;
        let slow = self.is_hung_slow();
        loop {
            let hung = self.probes.iter_mut().filter_map(|probe| match *probe {
                Probe::Out { since } if self.now.saturating_sub(since) > timeout => Some((since + timeout, probe)),
                _ => None,
            });
            let Some((at, probe)) = hung.min_by_key(|(at, _)| *at) else { return };
            *probe = Probe::Ended(Recorded { at, failed: true, slow });
            self.saw("hung probe");
            self.judge_probes(at);
            if self.state == State::Open && self.open_until <= Some(self.now) {
                self.saw("hung probes whose open wait is over too");
            }
        }
    }
}
