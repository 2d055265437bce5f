//! What was seen of the three clients and of their servers.

use std::time::Duration;

use windbreak::circuit_breaker::State;

use crate::clients::{BULKHEAD, TOTAL_TIMEOUT};
use crate::conclusion::{Fate, Thousands, conclusion};
use crate::exchange::{Exchange, Outcome, Tally, percentile};
use crate::script::Script;
use crate::server::Server;
use crate::traffic::Log;

/// A server, and the traffic sent to it.
pub(crate) struct Side {
    pub(crate) server: Server,
    pub(crate) log: Log,
}

/// What was seen of a side.
pub(crate) struct Observed {
    pub(crate) exchanges: Vec<Exchange>,
    /// When the calls reached the server.
    pub(crate) calls: Vec<Duration>,
    pub(crate) peak_inside: u32,
    pub(crate) connections: u32,
}

/// What was seen of all.
pub(crate) struct Storm {
    pub(crate) script: Script,
    pub(crate) rate: u32,
    /// The longest delay with which a request was sent: how long the machine was too busy.
    pub(crate) late: Duration,
    pub(crate) alone: Observed,
    pub(crate) retrying: Observed,
    pub(crate) sheltered: Observed,
    /// Every state of the circuit, and since when.
    pub(crate) states: Vec<(Duration, State)>,
}

/// One spelling, wherever a state is written.
pub(crate) const fn name(state: State) -> &'static str {
    match state {
        State::Closed => "closed",
        State::Open => "open",
        State::HalfOpen => "half-open",
        _ => "unknown",
    }
}

impl Side {
    pub(crate) fn observed(&self) -> Observed {
        Observed {
            exchanges: self.log.exchanges(),
            calls: self.server.calls(),
            peak_inside: self.server.peak_inside(),
            connections: self.server.connections(),
        }
    }
}

impl Observed {
    pub(crate) fn in_flight_at(&self, time: Duration) -> usize {
        self.exchanges.iter().filter(|exchange| exchange.is_in_flight_at(time)).count()
    }

    pub(crate) fn of(&self, outcome: Outcome) -> impl Iterator<Item = &Exchange> {
        self.exchanges.iter().filter(move |exchange| exchange.outcome == outcome)
    }

    /// How many real responses came in time.
    pub(crate) fn real_within(&self, limit: Duration) -> usize {
        self.of(Outcome::Real).filter(|exchange| exchange.wait().time <= limit).count()
    }

    pub(crate) fn tally(&self) -> Tally {
        Tally::of(&self.exchanges)
    }

    pub(crate) fn peak_in_flight(&self) -> usize {
        self.exchanges.iter().map(|exchange| self.in_flight_at(exchange.sent)).max().unwrap_or(0)
    }

    fn fate(&self) -> Fate {
        let worst = percentile(self.exchanges.iter(), 100);
        Fate { requests: self.exchanges.len(), failed: self.tally().failed, worst }
    }
}

impl Storm {
    pub(crate) fn sides(&self) -> [&Observed; 3] {
        [&self.alone, &self.retrying, &self.sheltered]
    }

    /// The conclusion.
    pub(crate) fn title(&self) -> String {
        conclusion(self.sheltered.fate(), self.alone.fate())
    }

    /// What the conclusion leaves out.
    pub(crate) fn subtitles(&self) -> [String; 4] {
        let in_three = |of: &dyn Fn(&Observed) -> usize| {
            let [alone, retrying, sheltered] = self.sides().map(|side| Thousands(of(side)));
            format!("{alone} alone, {retrying} with the naive retry, {sheltered} inside windbreak")
        };
        let total = TOTAL_TIMEOUT.as_secs_f64();
        [
            format!(
                "That is reqwest inside windbreak ({} responses were the fallback's) instead of alone.",
                Thousands(self.sheltered.tally().fallback)
            ),
            format!("Instead of a naive retry: {}.", conclusion(self.sheltered.fate(), self.retrying.fate())),
            format!("Real responses within {total} s: {}.", in_three(&|side| side.real_within(TOTAL_TIMEOUT))),
            format!("Calls that reached the server: {}.", in_three(&|side| side.calls.len())),
        ]
    }

    /// How long the circuit was in a state other than closed.
    pub(crate) fn open_time(&self) -> Duration {
        self.spans().filter(|(_, _, state)| *state != State::Closed).map(|(from, to, _)| to.saturating_sub(from)).sum()
    }

    /// The states of the circuit, from when to when.
    pub(crate) fn spans(&self) -> impl Iterator<Item = (Duration, Duration, State)> {
        let ends = self.states.iter().skip(1).map(|&(since, _)| since).chain([self.script.length()]);
        self.states.iter().zip(ends).map(|(&(from, state), to)| (from, to, state))
    }

    /// The state of the circuit at this time.
    pub(crate) fn state_at(&self, time: Duration) -> State {
        self.states.iter().rev().find(|(since, _)| *since <= time).map_or(State::Closed, |(_, state)| *state)
    }

    /// In what the stack did not protect its caller; empty if it did.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        let sheltered = &self.sheltered;

        let tally = sheltered.tally();
        let responses = tally.real + tally.fallback;
        for (other, name) in [(&self.alone, "reqwest alone"), (&self.retrying, "the naive retry")] {
            let others = other.tally().real;
            if responses < others {
                complaints.push(format!("{responses} requests got a response; with {name} {others} did"));
            }
        }

        let last_step = self.script.length().saturating_sub(self.script.step());
        if !sheltered.of(Outcome::Real).any(|exchange| exchange.sent >= last_step) {
            complaints.push("the server was well again, and no request got through to it".to_owned());
        }

        // What arrives at a certain rate and stays for a bounded time is never more than their product (Little's law).
        // A busy machine sends late, and all at once; it is as late in ending what is overdue.
        let stay = TOTAL_TIMEOUT + self.late * 2;
        let bound = (stay * self.rate).as_secs() + 1;
        let peak = sheltered.peak_in_flight();
        if peak as u64 > bound {
            complaints.push(format!("{peak} requests were in flight; the bound is {bound}"));
        }

        // Calls given up take a moment to leave the server, while others have taken their permits in the bulkhead.
        let inside = sheltered.peak_inside;
        if inside as usize > BULKHEAD * 2 {
            complaints.push(format!("{inside} calls were inside the server, past a bulkhead of {BULKHEAD}"));
        }
        complaints
    }
}
