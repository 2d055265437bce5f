//! The circuit: its lock, and the word in front of it.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::Once;
use std::time::Duration;

use interleavings::circuit_breaker::{Circuit, CircuitBuilder, Permit, State};
use interleavings::rules::{Effect, Failure, Verdict};
use interleavings::window::Tally;
use loom::thread;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};

const FAILURE: Verdict = Verdict::Failure(Failure::new(Effect::Unknown));

/// Waits are never over by themselves, so that the clock has no say.
fn circuit() -> CircuitBuilder {
    let hour = Duration::from_secs(3600);
    Circuit::builder("model").count_window(2).minimum_calls(2).failure_ratio(1.0).open_for(hour).probes(2)
}

/// Each time with no event yet.
fn in_every_order(model: impl Fn() + Send + Sync + 'static) {
    listen();
    interleavings::in_every_order(move || {
        EVENTS.take();
        model();
    });
}

fn failures(calls: u64) -> Tally {
    Tally::new(calls, calls, 0)
}

fn successes(calls: u64) -> Tally {
    Tally::new(calls, 0, 0)
}

/// Under the lock, which sets the word right: ask for the state first where the word is to be tested.
fn look(circuit: &Circuit) -> (State, Tally) {
    let snapshot = circuit.snapshot();
    (snapshot.state, snapshot.tally)
}

/// Runs `step` on a thread of loom's, with the circuit.
fn spawn<R: 'static>(circuit: &Circuit, step: impl FnOnce(&Circuit) -> R + 'static) -> thread::JoinHandle<R> {
    let circuit = circuit.clone();
    thread::spawn(move || step(&circuit))
}

fn record(circuit: &Circuit, verdict: Verdict) {
    if let Ok(permit) = circuit.acquire() {
        permit.record(verdict);
    }
}

/// As many permits as the circuit gives.
fn acquire_all(circuit: &Circuit) -> Vec<Permit> {
    std::iter::from_fn(|| circuit.acquire().ok()).take(10).collect()
}

#[test]
fn a_stampede_on_an_open_circuit_whose_wait_is_over_admits_exactly_the_probes() {
    in_every_order(|| {
        let circuit = circuit().build().unwrap();
        circuit.force_open_for(Duration::ZERO);
        let others = [(); 2].map(|()| spawn(&circuit, Circuit::acquire));
        let mine = circuit.acquire();
        let all: Vec<_> = others.into_iter().map(|other| other.join().unwrap()).chain([mine]).collect();

        assert_eq!(all.iter().filter(|admission| admission.is_ok()).count(), 2);
        assert_eq!(look(&circuit), (State::HalfOpen, Tally::default()));
    });
}

#[test]
fn two_failures_that_race_to_open_it_are_one_transition() {
    in_every_order(|| {
        let circuit = circuit().build().unwrap();
        let other = spawn(&circuit, |circuit| record(circuit, FAILURE));
        record(&circuit, FAILURE);
        other.join().unwrap();

        assert_eq!(circuit.state(), State::Open);
        assert_eq!(look(&circuit), (State::Open, failures(2)));
        assert_eq!(EVENTS.take(), ["closed open"]);
    });
}

/// Two failures, of which each would open it.
fn only_the_first_counts(circuit: fn() -> CircuitBuilder, failure: Verdict) {
    in_every_order(move || {
        let circuit = circuit().build().unwrap();
        let permits = [circuit.acquire().unwrap(), circuit.acquire().unwrap()];
        let [first, second] = permits.map(|permit| thread::spawn(move || permit.record(failure)));
        first.join().unwrap();
        second.join().unwrap();

        assert_eq!(circuit.state(), State::Open);
        assert_eq!(look(&circuit), (State::Open, failures(1)));
        assert_eq!(EVENTS.take(), ["closed open"]);
    });
}

#[test]
fn a_failure_that_comes_after_the_one_that_opened_it_counts_for_nothing() {
    only_the_first_counts(|| circuit().minimum_calls(1), FAILURE);
}

#[test]
fn after_a_reset_the_window_never_holds_an_earlier_call() {
    in_every_order(|| {
        let circuit = circuit().build().unwrap();
        let late = circuit.acquire().unwrap();
        let recorder = thread::spawn(move || late.record(FAILURE));
        let operator = spawn(&circuit, |circuit| {
            circuit.reset();
            record(circuit, Verdict::Success);
        });
        recorder.join().unwrap();
        operator.join().unwrap();

        assert_eq!(look(&circuit), (State::Closed, successes(1)));
    });
}

#[test]
fn a_reset_ends_the_opening_it_races_with_or_comes_before_it_and_drops_it() {
    in_every_order(|| {
        let circuit = circuit().minimum_calls(1).build().unwrap();
        let late = circuit.acquire().unwrap();
        let recorder = thread::spawn(move || late.record(FAILURE));
        circuit.reset();
        recorder.join().unwrap();

        assert!(circuit.acquire().is_ok());
        assert_eq!(look(&circuit), (State::Closed, Tally::default()));
        // Events are sent without the lock, so which is sent first is left to chance.
        let mut events = EVENTS.take();
        events.sort();
        assert!(events.is_empty() || events == ["closed open", "open closed"], "{events:?}");
    });
}

#[test]
fn a_probe_dropped_while_another_decides_changes_nothing() {
    // One failure of two probes is too many in the first, one success of two enough in the second.
    for (failure_ratio, verdict, state) in [(0.5, FAILURE, State::Open), (1.0, Verdict::Success, State::Closed)] {
        in_every_order(move || {
            let circuit = circuit().failure_ratio(failure_ratio).build().unwrap();
            circuit.force_open_for(Duration::ZERO);
            let (deciding, dropped) = (circuit.acquire().unwrap(), circuit.acquire().unwrap());
            let canceller = thread::spawn(move || drop(dropped));
            deciding.record(verdict);
            canceller.join().unwrap();

            let calls = if state == State::Open { failures(1) } else { Tally::default() };
            assert_eq!(circuit.state(), state);
            assert_eq!(look(&circuit), (state, calls));
        });
    }
}

#[test]
fn a_dropped_probe_gives_its_place_to_one_other() {
    in_every_order(|| {
        // One failure of two decides nothing.
        let circuit = circuit().failure_ratio(0.6).build().unwrap();
        circuit.force_open_for(Duration::ZERO);
        let (failing, dropped) = (circuit.acquire().unwrap(), circuit.acquire().unwrap());
        let canceller = thread::spawn(move || drop(dropped));
        let newcomer = spawn(&circuit, Circuit::acquire);
        failing.record(FAILURE);
        canceller.join().unwrap();
        let newcomer = newcomer.join().unwrap();

        assert_eq!(look(&circuit), (State::HalfOpen, failures(1)));
        let mut probes: Vec<_> = newcomer.into_iter().chain(acquire_all(&circuit)).collect();
        assert_eq!(probes.len(), 1);
        probes.remove(0).record(Verdict::Success);
        assert_eq!(circuit.state(), State::Closed);
    });
}

#[test]
fn probes_that_are_cancelled_at_once_are_counted_once() {
    in_every_order(|| {
        let circuit = circuit().failure_ratio(0.6).probe_timeout(Duration::from_nanos(1)).build().unwrap();
        circuit.force_open_for(Duration::ZERO);
        let probes = [circuit.acquire().unwrap(), circuit.acquire().unwrap()];
        let [first, second] = probes.map(|probe| thread::spawn(move || drop(probe)));
        first.join().unwrap();
        second.join().unwrap();

        // loom's clock is the real one: whether they took a nanosecond or not, no place is lost or given twice.
        let (state, tally) = look(&circuit);
        let free = acquire_all(&circuit).len() as u64;
        match state {
            State::HalfOpen => assert_eq!(free + tally.calls, 2),
            State::Open => assert_eq!((free, tally.failures), (0, 2)),
            other => panic!("{other}"),
        }
    });
}

#[test]
fn a_change_of_settings_loses_no_call_and_no_place() {
    in_every_order(|| {
        let circuit = circuit().build().unwrap();
        let caller = spawn(&circuit, |circuit| record(circuit, FAILURE));
        let operator = spawn(&circuit, |circuit| circuit.reconfigure(|settings| settings.count_window(3)).unwrap());
        record(&circuit, Verdict::Success);
        caller.join().unwrap();
        operator.join().unwrap();

        assert_eq!(look(&circuit), (State::Closed, Tally::new(2, 1, 0)));
        record(&circuit, Verdict::Success);
        assert_eq!(look(&circuit), (State::Closed, Tally::new(3, 1, 0)));
    });
}

#[test]
fn fewer_probes_decide_whether_the_last_one_ends_before_or_after() {
    in_every_order(|| {
        let circuit = circuit().build().unwrap();
        circuit.force_open_for(Duration::ZERO);
        let probe = circuit.acquire().unwrap();
        let operator = spawn(&circuit, |circuit| circuit.reconfigure(|settings| settings.probes(1)).unwrap());
        probe.record(FAILURE);
        operator.join().unwrap();

        assert_eq!(circuit.state(), State::Open);
        assert_eq!(look(&circuit), (State::Open, failures(1)));
    });
}

#[test]
fn a_snapshot_is_all_of_one_moment() {
    in_every_order(|| {
        let circuit = circuit().build().unwrap();
        let caller = spawn(&circuit, |circuit| {
            record(circuit, FAILURE);
            record(circuit, FAILURE);
            circuit.reset();
        });
        let seen = look(&circuit);
        caller.join().unwrap();

        let possible = [(State::Closed, Tally::default()), (State::Closed, failures(1)), (State::Open, failures(2))];
        assert!(possible.contains(&seen), "{seen:?}");
    });
}

/// The last calls, each a failure or not, in the order they came.
type Window = Vec<bool>;

#[derive(Debug, Clone, Copy)]
enum Step {
    Succeed,
    Fail,
    Look,
}

/// What the looks of each thread saw, and what the window held in the end.
type Seen = ([Vec<u64>; 2], Window);

/// All that can be seen where the steps of two threads are taken one at a time: the truth that a word in front of a
/// lock must not change.
fn one_at_a_time(window: &Window, steps: [&[Step]; 2], seen: &[Vec<u64>; 2], all: &mut HashSet<Seen>) {
    if steps.iter().all(|steps| steps.is_empty()) {
        all.insert((seen.clone(), window.clone()));
    }
    for thread in 0..2 {
        let Some((step, rest)) = steps[thread].split_first() else { continue };
        let (mut window, mut seen) = (window.clone(), seen.clone());
        match step {
            Step::Look => seen[thread].push(window.iter().map(|&failed| u64::from(failed)).sum()),
            Step::Succeed | Step::Fail => {
                window.remove(0);
                window.push(matches!(step, Step::Fail));
            }
        }
        let mut steps = steps;
        steps[thread] = rest;
        one_at_a_time(&window, steps, &seen, all);
    }
}

fn take_steps(circuit: &Circuit, steps: &[Step]) -> Vec<u64> {
    let mut seen = Vec::new();
    for step in steps {
        match step {
            Step::Succeed => record(circuit, Verdict::Success),
            Step::Fail => record(circuit, FAILURE),
            Step::Look => seen.push(look(circuit).1.failures),
        }
    }
    seen
}

/// Pushes the calls out of the window with successes, and so finds out which were failures.
fn empty(circuit: &Circuit, calls: usize) -> Window {
    let mut failures = look(circuit).1.failures;
    let mut window = Window::new();
    for _ in 0..calls {
        record(circuit, Verdict::Success);
        let left = look(circuit).1.failures;
        window.push(left < failures);
        failures = left;
    }
    window
}

#[test]
fn successes_that_take_no_lock_fall_into_line_with_those_that_do() {
    use Step::{Fail, Look, Succeed};

    let cases: [(&[bool], [&'static [Step]; 2]); 4] = [
        (&[false, false], [&[Fail], &[Succeed]]),
        (&[false, false], [&[Fail, Succeed], &[Succeed, Look, Succeed]]),
        // The success makes the window all successes in the same moment as a failure ends that.
        (&[true, false], [&[Succeed], &[Fail, Succeed, Look]]),
        (&[false, false], [&[Fail, Succeed, Succeed], &[Look, Succeed, Look]]),
    ];
    for (before, steps) in cases {
        let mut possible = HashSet::new();
        one_at_a_time(&before.to_vec(), steps, &Default::default(), &mut possible);
        in_every_order(move || {
            let circuit = circuit().build().unwrap();
            circuit.observe_only();
            for &failed in before {
                record(&circuit, if failed { FAILURE } else { Verdict::Success });
            }
            let other = spawn(&circuit, move |circuit| take_steps(circuit, steps[0]));
            let mine = take_steps(&circuit, steps[1]);
            let seen = ([other.join().unwrap(), mine], empty(&circuit, before.len()));

            assert!(possible.contains(&seen), "{seen:?} is none of {possible:?}");
        });
    }
}

#[test]
fn what_a_receiver_holds_in_the_end_is_the_state_in_the_end() {
    in_every_order(|| {
        let circuit = circuit().build().unwrap();
        let states = circuit.subscribe();
        let other = spawn(&circuit, Circuit::force_open);
        circuit.force_closed();
        other.join().unwrap();

        assert_eq!(states.state(), circuit.state());
        assert_eq!(look(&circuit).0, circuit.state());
    });
}

#[test]
fn one_who_subscribes_during_a_change_does_not_miss_it() {
    in_every_order(|| {
        let circuit = circuit().build().unwrap();
        let operator = spawn(&circuit, Circuit::force_open);
        let other = spawn(&circuit, Circuit::subscribe);
        let mine = circuit.subscribe();
        operator.join().unwrap();

        assert_eq!(mine.state(), State::ForcedOpen);
        assert_eq!(other.join().unwrap().state(), State::ForcedOpen);
    });
}

thread_local! {
    /// The circuit's events, as `from to`. loom runs all threads of a model on one real one.
    static EVENTS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// For all tests from the start: were it set for some of them, tracing could learn from another that nobody listens.
fn listen() {
    static LISTENING: Once = Once::new();
    LISTENING.call_once(|| tracing::subscriber::set_global_default(Listener).unwrap());
}

struct Listener;

impl Subscriber for Listener {
    /// loom speaks too.
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO && metadata.target().starts_with("interleavings")
    }

    fn event(&self, event: &Event<'_>) {
        struct FromTo(Vec<String>);

        impl Visit for FromTo {
            fn record_str(&mut self, field: &Field, value: &str) {
                if ["from", "to"].contains(&field.name()) {
                    self.0.push(value.to_owned());
                }
            }

            fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
        }

        let mut from_to = FromTo(Vec::new());
        event.record(&mut from_to);
        EVENTS.with_borrow_mut(|events| events.push(from_to.0.join(" ")));
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}
