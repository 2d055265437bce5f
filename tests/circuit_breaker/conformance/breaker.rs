//! A scenario of a breaker is done with a circuit, and each step is as theirs or differs as listed.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::time::advance;
use windbreak::circuit_breaker::{Permit, State};
use windbreak::{Circuit, Effect, Failure, Rejection, Verdict};

use super::differences::Difference::EventsAreTransitions;
use super::differences::{Met, OURS, Ours};
use super::numbers::check_number;
use super::reading::{Config, millis, number, state_of, steps, verdict_of};

const NANOSECOND: Duration = Duration::from_nanos(1);

struct Breaker {
    circuit: Circuit,
    /// Admitted and not yet ended; they end in the same order.
    held: VecDeque<Permit>,
    /// Since the last change of state, as they count.
    rejected: u64,
    opened: u64,
    last: State,
}

impl Breaker {
    fn new(circuit: Circuit) -> Self {
        Self { circuit, held: VecDeque::new(), rejected: 0, opened: 0, last: State::Closed }
    }

    fn wait_left(&self) -> Option<Duration> {
        match self.circuit.acquire() {
            Err(Rejection::CircuitOpen { retry_after, .. }) => retry_after,
            other => panic!("{other:?} instead of a rejection"),
        }
    }

    fn try_acquire(&mut self) -> bool {
        let permit = self.circuit.acquire();
        self.note_change();
        self.rejected += u64::from(permit.is_err());
        let admitted = permit.is_ok();
        self.held.extend(permit);
        admitted
    }

    /// The result of the oldest request, or of a new one if there is none.
    async fn end(&mut self, verdict: Verdict, after: Duration) {
        let permit = self.held.pop_front().or_else(|| self.circuit.acquire().ok());
        advance(after).await;
        if let Some(permit) = permit {
            permit.record(verdict);
        }
    }

    async fn trip(&mut self) {
        while self.circuit.state() != State::Open {
            self.end(Verdict::Failure(Failure::new(Effect::Unknown)), Duration::ZERO).await;
        }
        self.held.clear();
    }

    async fn wait_for_half_open(&mut self) {
        let wait = self.wait_left().expect("a wait that ends");
        advance(wait.saturating_sub(NANOSECOND)).await;
        assert_eq!(self.wait_left(), Some(NANOSECOND));
        advance(NANOSECOND).await;
        drop(self.circuit.acquire().expect("admitted at the very end of the wait"));
    }

    /// Whether the request was admitted, if the step is one.
    async fn take(&mut self, op: &str, args: &[Value]) -> Option<bool> {
        match op {
            "try_acquire" | "acquire" => return Some(self.try_acquire()),
            "success" | "error" => self.end(verdict_of(op, args), millis(&args[0])).await,
            "advance" => advance(millis(&args[0])).await,
            "to_open" => self.trip().await,
            "to_half_open" => self.wait_for_half_open().await,
            "to_open_for" => self.circuit.force_open_for(millis(&args[0])),
            "to_forced_open" => self.circuit.force_open(),
            "to_metrics_only" => self.circuit.observe_only(),
            "observe" => {}
            other => panic!("a step {other}"),
        }
        self.note_change();
        None
    }

    fn note_change(&mut self) {
        let state = self.circuit.state();
        if state != self.last {
            self.opened += u64::from(state == State::Open);
            self.rejected = 0;
            self.last = state;
        }
    }

    fn check_as_given(&self, at: &str, admitted: Option<bool>, expect: &Map<String, Value>, met: &mut Met) {
        let snapshot = self.circuit.snapshot();
        for (key, expected) in expect {
            match key.as_str() {
                "ret" => assert_eq!(admitted, expected.as_bool(), "{at}: admitted"),
                "state" => assert_eq!(snapshot.state, state_of(expected.as_str().expect("a state")), "{at}"),
                "events" => {
                    met.insert(EventsAreTransitions);
                    let exceeded = expected.get("failure_rate_exceeded").map_or(0, number);
                    let told = if snapshot.state == State::ObserveOnly { 0 } else { exceeded };
                    assert_eq!(self.opened, told, "{at}: transitions to open");
                }
                key => check_number(at, key, expected, snapshot.tally, self.rejected, met),
            }
        }
    }

    fn check_ours(&self, at: &str, admitted: Option<bool>, expect: &Map<String, Value>, ours: &Ours) {
        let snapshot = self.circuit.snapshot();
        let (calls, failures) = (snapshot.tally.calls, snapshot.tally.failures);
        assert_eq!((snapshot.state, calls, failures), (ours.state, ours.calls, ours.failures), "{at}: ours");
        assert_eq!(admitted, ours.admits, "{at}: ours");
        let same = expect.iter().all(|(key, expected)| match key.as_str() {
            "ret" => ours.admits == expected.as_bool(),
            "state" => ours.state == state_of(expected.as_str().expect("a state")),
            "buffered" => ours.calls == number(expected),
            "failed" => ours.failures == number(expected),
            _ => true,
        });
        assert!(!same, "{at}: listed as a difference, and is none");
    }

    /// What we have instead of what a scenario shows and we do not have.
    async fn finish(&mut self, scenario: &str) {
        match scenario {
            "A21" => {
                while self.try_acquire() {}
                assert_eq!(self.held.len(), 4, "all places are there");
                advance(Duration::from_secs(1)).await;
                assert_eq!(self.circuit.state(), State::HalfOpen, "the probes are still in time");
                advance(NANOSECOND).await;
                let left = Duration::from_secs(5).saturating_sub(NANOSECOND);
                assert_eq!(self.wait_left(), Some(left), "open again, as the next request finds");
                assert_eq!(self.circuit.state(), State::Open);
            }
            "A33" => {
                let ban = Duration::from_secs(7_200);
                self.circuit.force_open_for(ban);
                assert_eq!(self.wait_left(), Some(ban));
            }
            _ => {}
        }
    }
}

/// How many of its steps are listed in [`OURS`].
pub(super) async fn run_breaker(id: &str, scenario: &Map<String, Value>, config: &Config<'_>, met: &mut Met) -> usize {
    let mut differing = 0;
    let mut breaker = Breaker::new(config.circuit(met));
    for (index, op, args, expect) in steps(scenario) {
        let at = format!("{id}, step {index}, {op}");
        let admitted = breaker.take(op, args).await;
        match OURS.iter().find(|ours| (ours.scenario, ours.step) == (id, index)) {
            Some(ours) => {
                met.insert(ours.why);
                differing += 1;
                breaker.check_ours(&at, admitted, expect, ours);
            }
            None => breaker.check_as_given(&at, admitted, expect, met),
        }
    }
    breaker.finish(id).await;
    differing
}
