//! Real threads at one circuit: whatever each of them saw, some order of all their steps, taken one at a time,
//! explains it. An order may only swap steps that overlapped in time.
//!
//! The window, the lock and the word in front of it are so taken for one thing, and held to a list of outcomes. The
//! models in `loom/` try every order of a few steps; here there are many steps, and the orders are the processor's.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::Instant;
use windbreak::circuit_breaker::{Permit, State};
use windbreak::{Circuit, Effect, Failure, Verdict};

const THREADS: usize = 3;

/// Of each thread in one history: some milliseconds, so that threads meet also where they have to share processors.
const STEPS: usize = 20_000;

/// Only steps that overlap can go wrong; after this number of them the test ends.
const ENOUGH: usize = 20_000;

/// Two failures among the last three calls open it.
const WINDOW: usize = 3;
const TOO_MANY: usize = 2;

fn circuit() -> Circuit {
    let circuit = Circuit::builder("histories")
        .count_window(WINDOW)
        .minimum_calls(TOO_MANY)
        .failure_ratio(0.6)
        .open_for(Duration::from_secs(3600));
    circuit.build().expect("the numbers agree")
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    /// Asks for a permit, and gets one or not.
    Acquire(bool),
    /// Uses the permit of this thread up: for a success, a failure, or nothing.
    Record(Option<bool>),
    /// Asks for the state, and sees this.
    State(State),
    /// Takes a snapshot, and sees this: the state, the calls and the failures.
    Snapshot(State, usize, usize),
    /// Starts over, closed or only observing.
    StartOver(State),
}

/// One step of one thread, and when it was under way.
#[derive(Debug, Clone, Copy)]
struct Event {
    thread: usize,
    step: Step,
    begin: u64,
    end: u64,
}

/// A circuit that takes one step at a time.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Model {
    state: State,
    /// The last calls, the latest last, and whether each failed; while open, those that opened it.
    calls: [Option<bool>; WINDOW],
    /// Whether each thread's permit still counts. Not which generation it is from: then no two ways would ever meet.
    permits: [bool; THREADS],
}

impl Model {
    fn new(state: State, call: Option<bool>) -> Self {
        Self { state, calls: [call; WINDOW], permits: [false; THREADS] }
    }

    fn count(self, which: impl Fn(bool) -> bool) -> usize {
        self.calls.iter().filter(|call| call.is_some_and(&which)).count()
    }

    fn failures(self) -> usize {
        self.count(|failed| failed)
    }

    /// Takes the step, if what it saw is what it would see now.
    fn take(mut self, Event { thread, step, .. }: Event) -> Option<Self> {
        let possible = match step {
            Step::Acquire(admitted) => {
                self.permits[thread] = self.state != State::Open;
                admitted == self.permits[thread]
            }
            Step::Record(outcome) => {
                if outcome.is_some() && self.permits[thread] {
                    self.record(outcome);
                }
                true
            }
            Step::State(state) => state == self.state,
            Step::Snapshot(state, calls, failures) => {
                (state, calls, failures) == (self.state, self.count(|_| true), self.failures())
            }
            Step::StartOver(state) => {
                self = Self::new(state, None);
                true
            }
        };
        possible.then_some(self)
    }

    fn record(&mut self, outcome: Option<bool>) {
        self.calls.rotate_left(1);
        self.calls[WINDOW - 1] = outcome;
        if self.state == State::Closed && self.failures() >= TOO_MANY {
            self.state = State::Open;
            self.permits = [false; THREADS];
        }
    }
}

/// How many steps of each thread have been taken, and what the circuit then is.
type Reached = ([usize; THREADS], Model);

/// Whether some order explains the history, given as the steps of each thread.
///
/// The search of Wing and Gong, in breadth: next in the order may be any step that no other step left wholly precedes.
/// A thread's own steps stand in order, so all there is to know is how far each thread has come and what the circuit
/// then is; ways that meet in that are one. So it goes through long histories as fast as through short ones.
fn explain(history: &[Vec<Event>; THREADS], start: Model) -> Result<(), Vec<Event>> {
    let mut reached: Vec<Reached> = vec![([0; THREADS], start)];
    for _ in history.iter().flatten() {
        let mut next: Vec<Reached> = Vec::new();
        for &(taken, model) in &reached {
            let left = || (0..THREADS).filter_map(|thread| history[thread].get(taken[thread]));
            let first_end = left().map(|event| event.end).min().expect("there is a step left");
            for event in left().filter(|event| event.begin < first_end) {
                let mut taken = taken;
                taken[event.thread] += 1;
                next.extend(model.take(*event).map(|model| (taken, model)).filter(|reached| !next.contains(reached)));
            }
        }
        if next.is_empty() {
            return Err(context(history, &reached));
        }
        reached = next;
    }
    Ok(())
}

/// The steps around those that nothing explains.
fn context(history: &[Vec<Event>; THREADS], reached: &[Reached]) -> Vec<Event> {
    let around = |thread: usize| {
        let taken = reached.iter().map(|(taken, _)| taken[thread]).max().unwrap_or(0);
        history[thread].iter().take(taken + 1).skip(taken.saturating_sub(6))
    };
    let mut events: Vec<_> = (0..THREADS).flat_map(around).copied().collect();
    events.sort_by_key(|event| event.begin);
    events
}

/// Takes random steps, and says what it saw and when.
fn take_steps(circuit: &Circuit, thread: usize, clock: &AtomicU64, mut rng: SmallRng) -> Vec<Event> {
    let mut permit: Option<Permit> = None;
    let mut events = Vec::with_capacity(STEPS);
    for _ in 0..STEPS {
        let dice = rng.random_range(0..100);
        let begin = clock.fetch_add(1, Ordering::SeqCst);
        let step = match (dice, permit.take()) {
            (70..100, held) => {
                permit = held;
                look(circuit, dice)
            }
            (_, None) => {
                permit = circuit.acquire().ok();
                Step::Acquire(permit.is_some())
            }
            (0..52, Some(permit)) => {
                permit.record(Verdict::Success);
                Step::Record(Some(false))
            }
            (52..62, Some(permit)) => {
                permit.record(Verdict::Failure(Failure::new(Effect::Unknown)));
                Step::Record(Some(true))
            }
            (_, Some(permit)) => {
                drop(permit);
                Step::Record(None)
            }
        };
        let end = clock.fetch_add(1, Ordering::SeqCst);
        events.push(Event { thread, step, begin, end });
    }
    events
}

/// Steps that need no permit.
fn look(circuit: &Circuit, dice: u32) -> Step {
    match dice {
        70..74 => {
            circuit.reset();
            Step::StartOver(State::Closed)
        }
        74..78 => {
            circuit.observe_only();
            Step::StartOver(State::ObserveOnly)
        }
        78..85 => Step::State(circuit.state()),
        _ => {
            let snapshot = circuit.snapshot();
            let count = |calls| usize::try_from(calls).expect("a window of three");
            Step::Snapshot(snapshot.state, count(snapshot.tally.calls), count(snapshot.tally.failures))
        }
    }
}

/// Lets the threads loose on the circuit, all at once.
fn history(circuit: &Circuit, seed: u64) -> [Vec<Event>; THREADS] {
    let (clock, together) = (AtomicU64::new(0), Barrier::new(THREADS));
    let run = |thread: usize| {
        let rng = SmallRng::seed_from_u64(seed * THREADS as u64 + thread as u64);
        together.wait();
        take_steps(circuit, thread, &clock, rng)
    };
    thread::scope(|scope| {
        let run = &run;
        let threads: [_; THREADS] = std::array::from_fn(|thread| scope.spawn(move || run(thread)));
        threads.map(|thread| thread.join().expect("no step panics"))
    })
}

/// How many steps began before the one before them had ended.
fn overlaps(history: &[Vec<Event>; THREADS]) -> usize {
    let mut events: Vec<_> = history.iter().flatten().collect();
    events.sort_by_key(|event| event.begin);
    events.windows(2).filter(|pair| pair[1].begin < pair[0].end).count()
}

/// Until enough steps have overlapped. On a machine with other things to do threads seldom run side by side, so not
/// for ever.
#[test]
fn some_order_explains_whatever_threads_see_of_a_circuit() {
    let begun = Instant::now();
    let mut overlapping = 0;
    for seed in 0.. {
        let circuit = circuit();
        for _ in 0..WINDOW {
            circuit.acquire().expect("closed").record(Verdict::Success);
        }
        let history = history(&circuit, seed);
        if let Err(context) = explain(&history, Model::new(State::Closed, Some(false))) {
            panic!("no order explains {context:#?}");
        }
        overlapping += overlaps(&history);
        if overlapping > ENOUGH || begun.elapsed() > Duration::from_secs(3) {
            break;
        }
    }
    println!("{overlapping} steps overlapped in {:?}", begun.elapsed());
}

#[test]
fn a_history_is_explained_only_by_orders_that_time_allows() {
    const NOTHING: Step = Step::Snapshot(State::Closed, 0, 0);
    const ONE_FAILURE: Step = Step::Snapshot(State::Closed, 1, 1);
    const FAIL: Step = Step::Record(Some(true));
    const RESET: Step = Step::StartOver(State::Closed);

    let explained = |steps: [&[(Step, u64, u64)]; THREADS]| {
        let event = |thread, &(step, begin, end): &(Step, u64, u64)| Event { thread, step, begin, end };
        let history = std::array::from_fn(|thread| steps[thread].iter().map(|step| event(thread, step)).collect());
        explain(&history, Model { permits: [true; THREADS], ..Model::new(State::Closed, None) }).is_ok()
    };
    // While a failure is being recorded it may be seen, or not yet; afterwards it is seen.
    for (begin, seen, possible) in
        [(1, NOTHING, true), (1, ONE_FAILURE, true), (3, NOTHING, false), (3, ONE_FAILURE, true)]
    {
        assert_eq!(explained([&[(FAIL, 0, 2)], &[(seen, begin, 4)], &[]]), possible, "{seen:?} at {begin}");
    }
    // What one has seen, another who comes later sees too.
    assert!(explained([&[(FAIL, 0, 9)], &[(NOTHING, 1, 2)], &[(ONE_FAILURE, 3, 4)]]));
    assert!(!explained([&[(FAIL, 0, 9)], &[(ONE_FAILURE, 1, 2)], &[(NOTHING, 3, 4)]]));
    // A permit from before the reset does not count after it.
    assert!(explained([&[(RESET, 0, 1)], &[(FAIL, 2, 3), (NOTHING, 4, 5)], &[]]));
    assert!(!explained([&[(RESET, 0, 1)], &[(FAIL, 2, 3), (ONE_FAILURE, 4, 5)], &[]]));
}
