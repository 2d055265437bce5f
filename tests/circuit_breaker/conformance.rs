//! `scenarios/breaker.json`: what a mature breaker (resilience4j) does, recorded as facts. We do the same, or differ
//! on purpose. Every expectation of every step is met as it stands there, or is one of these differences, and then
//! what we do instead is asserted in its place.
//!
//! | [`Difference`] | they | we, and why |
//! |---|---|---|
//! | `DecidesEarly` | wait for all probes | decide as soon as the missing ones cannot change the result: nobody is sent to an upstream that is known to be down, nobody is rejected by one that is known to be up |
//! | `OpenShowsItsCalls` | show nothing after opening by hand | have no such switch without a wait, so failures open it here; a snapshot then shows the calls that did |
//! | `EndsOnTheNextRequest` | end half-open by a timer, counted from its start | keep no timer: each probe has its own time, and that it is over shows when the next request comes; with no probe out there is nothing to end, and the next request is one |
//! | `RatioFromTheFirstCall` | show no rate below the minimum of calls | show it from the first call on; it is only not judged |
//! | `MinimumFitsTheWindow` | lower a minimum beyond the window silently | refuse to build the circuit |
//! | `RejectionsAreTheCallers` | count rejected calls | count none: each is an error in the caller's hand, as it is counted here |
//! | `EventsAreTransitions` | tell of each call, and while only observing that a rate is exceeded | tell of transitions: who records a call knows of it |
//! | `NoBan` | open at once on errors of a kind | leave that to the caller, who has `force_open_for` |
//! | `NoDurations` | keep the sum of durations | keep none: it decides nothing |
//! | `NoSplitOfSlow` | count slow failures and slow successes apart | count slow calls: the ratio is of all |
//!
//! Three more lie in how the steps are done here. At exactly the end of a wait they reject and we admit, as
//! `retry_after` promised: `to_half_open` goes there, to the nanosecond. Half-open begins with a request: that of
//! `to_half_open` is cancelled. They count results of an earlier time; here `to_open` leaves such calls behind, and
//! that they are dropped shows in the places that are then free. A call of so long really takes so long, so moments
//! shift; the time between steps does not. Changes of the wall clock have no step: there is none in here.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::time::advance;
use windbreak::backoff::{Backoff, Jitter};
use windbreak::circuit_breaker::{Permit, State};
use windbreak::window::{CountWindow, Outcome, Tally};
use windbreak::{Circuit, Effect, Failure, Rejection, Verdict};

const NANOSECOND: Duration = Duration::from_nanos(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Difference {
    DecidesEarly,
    OpenShowsItsCalls,
    EndsOnTheNextRequest,
    RatioFromTheFirstCall,
    MinimumFitsTheWindow,
    RejectionsAreTheCallers,
    EventsAreTransitions,
    NoBan,
    NoDurations,
    NoSplitOfSlow,
}

use Difference::{
    DecidesEarly, EndsOnTheNextRequest, EventsAreTransitions, MinimumFitsTheWindow, NoBan, NoDurations, NoSplitOfSlow,
    OpenShowsItsCalls, RatioFromTheFirstCall, RejectionsAreTheCallers,
};

/// What we do at a step at which they do something else.
struct Ours {
    scenario: &'static str,
    step: usize,
    why: Difference,
    admits: Option<bool>,
    state: State,
    calls: u64,
    failures: u64,
}

const fn ours(scenario: &'static str, step: usize, why: Difference, state: State, calls: u64, failures: u64) -> Ours {
    Ours { scenario, step, why, admits: None, state, calls, failures }
}

impl Ours {
    const fn rejecting(self) -> Self {
        Self { admits: Some(false), ..self }
    }
}

const OURS: [Ours; 12] = [
    ours("A05", 0, OpenShowsItsCalls, State::Open, 5, 5),
    ours("A05", 3, OpenShowsItsCalls, State::Open, 5, 5).rejecting(),
    ours("A08", 0, OpenShowsItsCalls, State::Open, 5, 5),
    ours("A08", 3, OpenShowsItsCalls, State::Open, 5, 5).rejecting(),
    // Two failures of four probes are half of them. The other two are not sent.
    ours("A09", 6, DecidesEarly, State::Open, 2, 2).rejecting(),
    ours("A09", 8, DecidesEarly, State::Open, 2, 2).rejecting(),
    ours("A09", 9, DecidesEarly, State::Open, 2, 2),
    // With three successes of four probes the last one cannot make it a half. Later calls are ordinary ones.
    ours("A12", 7, DecidesEarly, State::Closed, 0, 0),
    ours("A12", 9, DecidesEarly, State::Closed, 0, 0),
    ours("A12", 11, DecidesEarly, State::Closed, 1, 1),
    ours("A21", 2, EndsOnTheNextRequest, State::HalfOpen, 0, 0),
    // A ban is a failure like any other.
    ours("A33", 1, NoBan, State::Closed, 1, 1),
];

/// The differences that were met.
type Met = BTreeSet<Difference>;

// ---- reading ----

fn text<'a>(map: &'a Map<String, Value>, key: &str) -> &'a str {
    map[key].as_str().unwrap_or_else(|| panic!("{key} is text"))
}

fn millis(value: &Value) -> Duration {
    Duration::from_millis(value.as_u64().expect("milliseconds"))
}

fn number(value: &Value) -> u64 {
    value.as_u64().expect("a number")
}

struct Config<'a> {
    given: &'a Map<String, Value>,
    defaults: &'a Map<String, Value>,
}

impl Config<'_> {
    fn get(&self, key: &str) -> &Value {
        self.given.get(key).unwrap_or_else(|| &self.defaults[key])
    }

    fn count(&self, key: &str) -> usize {
        usize::try_from(number(self.get(key))).expect("a small number")
    }

    fn ratio(&self, key: &str) -> f64 {
        self.get(key).as_f64().expect("percent") / 100.0
    }

    fn circuit(&self, met: &mut Met) -> Circuit {
        let (size, minimum) = (self.count("window_size"), self.count("min_calls"));
        let wait = match self.given.get("wait_open_exponential").and_then(Value::as_str) {
            Some(growing) => {
                let (initial, factor) = growing.split_once(':').expect("initial:multiplier");
                let initial = Duration::from_millis(initial.parse().expect("milliseconds"));
                Backoff::exponential(initial).factor(factor.parse().expect("a factor")).jitter(Jitter::None)
            }
            None => millis(self.get("wait_open_ms")).into(),
        };
        let probe_timeout = millis(self.get("max_wait_half_open_ms"));
        let builder = Circuit::builder("upstream")
            .failure_ratio(self.ratio("failure_rate_threshold"))
            .slow_calls(millis(self.get("slow_call_duration_ms")), self.ratio("slow_call_rate_threshold"))
            .minimum_calls(minimum)
            .open_for(wait)
            .probes(self.count("permitted_half_open"))
            // They take zero for never.
            .probe_timeout(if probe_timeout.is_zero() { Duration::MAX } else { probe_timeout });
        let builder = match self.get("window_type").as_str() {
            Some("count") => builder.count_window(size),
            // Theirs has a bucket a second.
            Some("time") => builder.time_window_with_buckets(Duration::from_secs(size as u64), size),
            other => panic!("a window of {other:?}"),
        };
        if self.get("window_type") == "count" && minimum > size {
            met.insert(MinimumFitsTheWindow);
            let error = builder.clone().build().expect_err("a minimum beyond the window");
            assert_eq!(error.field(), "minimum_calls");
            return builder.minimum_calls(size).build().expect("valid");
        }
        builder.build().expect("valid")
    }
}

fn state_of(name: &str) -> State {
    match name {
        "CLOSED" => State::Closed,
        "OPEN" => State::Open,
        "HALF_OPEN" => State::HalfOpen,
        "FORCED_OPEN" => State::ForcedOpen,
        "METRICS_ONLY" => State::ObserveOnly,
        other => panic!("a state {other}"),
    }
}

fn verdict_of(op: &str, args: &[Value]) -> Verdict {
    match (op, args.get(1).and_then(Value::as_str)) {
        ("success", None) => Verdict::Success,
        ("error", Some("failure" | "ban")) => Verdict::Failure(Failure::new(Effect::Unknown)),
        ("error", Some("ignored")) => Verdict::Ignored,
        other => panic!("an outcome {other:?}"),
    }
}

// ---- checking ----

/// The part of an expectation that is about numbers; all three kinds of scenario share it.
fn check_number(at: &str, key: &str, expected: &Value, tally: Tally, rejected: u64, met: &mut Met) {
    match key {
        "buffered" | "total" => assert_eq!(tally.calls, number(expected), "{at}: {key}"),
        "failed" => assert_eq!(tally.failures, number(expected), "{at}: {key}"),
        "successful" => assert_eq!(tally.calls - tally.failures, number(expected), "{at}: {key}"),
        "slow" => assert_eq!(tally.slow, number(expected), "{at}: {key}"),
        "failure_rate" => check_rate(at, expected, tally.failure_ratio(), met),
        "slow_rate" => check_rate(at, expected, tally.slow_ratio(), met),
        "not_permitted" => {
            met.insert(RejectionsAreTheCallers);
            assert_eq!(rejected, number(expected), "{at}: {key}");
        }
        "total_duration_ms" | "avg_duration_ms" => {
            met.insert(NoDurations);
        }
        other => panic!("{at}: nobody asserts {other}"),
    }
}

fn check_rate(at: &str, expected: &Value, ratio: Option<f64>, met: &mut Met) {
    let expected = expected.as_f64().expect("percent");
    match ratio {
        None => assert!(expected < 0.0, "{at}: {expected} of no calls"),
        Some(ratio) if expected < 0.0 => {
            met.insert(RatioFromTheFirstCall);
            assert!((0.0..=1.0).contains(&ratio), "{at}: {ratio}");
        }
        // Theirs has the precision of an `f32`.
        Some(ratio) => assert!((ratio * 100.0 - expected).abs() < 1e-5, "{at}: {ratio}, not {expected} %"),
    }
}

// ---- the kinds of scenario ----

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

fn steps(scenario: &Map<String, Value>) -> impl Iterator<Item = (usize, &str, &[Value], &Map<String, Value>)> {
    let steps = scenario["steps"].as_array().expect("a list");
    steps.iter().map(|step| step.as_object().expect("an object")).enumerate().map(|(index, step)| {
        let args = step["args"].as_array().expect("a list");
        (index, text(step, "op"), args.as_slice(), step["expect"].as_object().expect("an object"))
    })
}

/// How many of its steps are listed in [`OURS`].
async fn run_breaker(id: &str, scenario: &Map<String, Value>, config: &Config<'_>, met: &mut Met) -> usize {
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

/// The tracker by itself, judged here.
fn run_metrics(id: &str, scenario: &Map<String, Value>, config: &Config<'_>, met: &mut Met) {
    let mut window = CountWindow::last(config.count("window_size")).expect("valid");
    let mut rejected = 0;
    for (index, op, args, expect) in steps(scenario) {
        let at = format!("{id}, step {index}, {op}");
        let tally = match op {
            "not_permitted" => {
                rejected += 1;
                window.tally()
            }
            op => window.record(Outcome::new(verdict_of(op, args) != Verdict::Success, false)),
        };
        let judged = tally.calls >= config.count("min_calls") as u64;
        let ratio = tally.failure_ratio().expect("a call was recorded");
        let exceeded = judged && ratio >= config.ratio("failure_rate_threshold");
        for (key, expected) in expect {
            match (key.as_str(), expected.as_str()) {
                ("result", Some("BELOW_MINIMUM_CALLS_THRESHOLD")) => assert!(!judged, "{at}"),
                ("result", Some("BELOW_THRESHOLDS")) => assert!(judged && !exceeded, "{at}"),
                ("threshold_exceeded", _) => assert_eq!(Some(exceeded), expected.as_bool(), "{at}"),
                (key, _) => check_number(&at, key, expected, tally, rejected, met),
            }
        }
    }
}

fn run_window(id: &str, scenario: &Map<String, Value>, config: &Config<'_>, met: &mut Met) {
    let mut window = CountWindow::last(config.count("size")).expect("valid");
    for (index, op, args, expect) in steps(scenario) {
        let at = format!("{id}, step {index}, {op}");
        if op == "record" {
            let (failed, slow) = match args[1].as_str() {
                Some("success") => (false, false),
                Some("error") => (true, false),
                Some("slow_success") => (false, true),
                Some("slow_error") => (true, true),
                other => panic!("{at}: {other:?}"),
            };
            window.record(Outcome::new(failed, slow));
        }
        let of_slow = |key| expect.get(key).map_or(0, number);
        for (key, expected) in expect {
            if let "slow_success" | "slow_failed" = key.as_str() {
                met.insert(NoSplitOfSlow);
                assert_eq!(of_slow("slow_success") + of_slow("slow_failed"), window.tally().slow, "{at}");
            } else {
                check_number(&at, key, expected, window.tally(), 0, met);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_step_is_as_theirs_or_differs_as_listed() {
    let file: Value = serde_json::from_str(include_str!("scenarios/breaker.json")).expect("JSON");
    let defaults = file["meta"]["defaults"].as_object().expect("an object");
    let scenarios = file["scenarios"].as_array().expect("a list");
    assert_eq!(scenarios.len(), 17);

    let (mut met, mut differing) = (Met::new(), 0);
    for scenario in scenarios {
        let scenario = scenario.as_object().expect("an object");
        let config = Config { given: scenario["config"].as_object().expect("an object"), defaults };
        let id = text(scenario, "id");
        match text(scenario, "kind") {
            "breaker" => differing += run_breaker(id, scenario, &config, &mut met).await,
            "metrics" => run_metrics(id, scenario, &config, &mut met),
            "window" => run_window(id, scenario, &config, &mut met),
            other => panic!("{id}: a {other}"),
        }
    }
    assert_eq!(differing, OURS.len(), "each step that is listed is there");
    let listed = [
        DecidesEarly,
        OpenShowsItsCalls,
        EndsOnTheNextRequest,
        RatioFromTheFirstCall,
        MinimumFitsTheWindow,
        RejectionsAreTheCallers,
        EventsAreTransitions,
        NoBan,
        NoDurations,
        NoSplitOfSlow,
    ];
    assert_eq!(met, Met::from(listed), "each difference in the table is met somewhere");
}
