//! The same work through windbreak and its peers, interleaved in one run: time, memory and instructions.
//!
//! `cargo run --release -p peers` prints BENCHMARKS.md; `-- --write` writes it, and the three rows of the README. With
//! `-- --quick` it takes a fraction of the time, with figures that are only good enough to see that it works. `-- --only
//! WORD` prints the rows of some kinds of work, and `-- --check` holds the instructions to their bounds.
//!
//! Each contender is called as users call it: an async function awaits each call, over a callee that responds at once. So
//! no runtime and no timer is in the figures. That is how they flatter: a real call waits, and waiting costs more than any
//! layer here. The rows "pends once" show how much, and those over loopback show all of it.

mod check;
mod counting;
#[path = "../../harness/mod.rs"]
mod harness;
mod hedges;
mod http;
mod instructions;
mod limits;
mod loopback;
mod report;
mod stacks;
mod summary;
mod task;

use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};

use counting::Allocated;
use harness::callees::{FAILING, FailsOneIn, HEALTHY, PendsOnce};
use harness::{Contender, Figures, Pace, timed};
use task::{Make, Named, Task};

/// Calls of which the allocations are counted.
const COUNTED: u64 = 1000;

/// One kind of work, and who does it. The first contender is the bare callee.
struct Race {
    work: &'static str,
    tasks: usize,
    contenders: Vec<Named>,
    /// Calls made before anything is measured.
    fill: u64,
    /// Whether the cost may grow with the calls made, so that `fill` must be kept to.
    grows: bool,
}

impl Race {
    fn of(work: &'static str, contenders: Vec<Named>) -> Self {
        Self { work, tasks: 1, contenders, fill: 1000, grows: false }
    }

    fn two_tasks(self) -> Self {
        Self { tasks: 2, ..self }
    }

    fn filled(self, fill: u64) -> Self {
        Self { fill, grows: true, ..self }
    }

    fn new_task(&self, make: &Make) -> Box<dyn Task> {
        let mut task = make();
        task.make_calls(self.fill);
        task
    }
}

/// A contender at the start, and its memory.
struct Ready {
    task: Box<dyn Task>,
    /// What it allocated until it was filled. What of that it still holds is what an idle instance holds.
    filling: Allocated,
    /// What it allocated for [`COUNTED`] calls after that.
    calling: Allocated,
}

/// What is known of one contender in one race.
struct Row {
    figures: Figures,
    memory: Option<Memory>,
}

/// By call: allocations and bytes; and the bytes that an idle instance holds.
struct Memory {
    allocations: f64,
    bytes: f64,
    heap: u64,
}

fn races(quick: bool) -> Vec<Race> {
    let mut races = vec![
        Race::of("breaker, healthy", stacks::breakers(HEALTHY)),
        Race::of("breaker, healthy, two tasks", stacks::breakers(HEALTHY)).two_tasks(),
        Race::of("breaker, 1 call in 100 fails", stacks::breakers(FailsOneIn::<100>)),
        Race::of("breaker, 1 call in 100 fails, two tasks", stacks::breakers(FailsOneIn::<100>)).two_tasks(),
        Race::of("breaker, open", stacks::breakers(FAILING)),
        Race::of("time window, 100 calls in it", stacks::time_windows(HEALTHY)).filled(100),
        Race::of("time window, 10k calls in it", stacks::time_windows(HEALTHY)).filled(10_000),
        Race::of("rate limit, the check alone", limits::checks()),
        Race::of("rate limit, the check alone, two tasks", limits::checks()).two_tasks(),
        Race::of("rate limit", limits::limits(HEALTHY)),
        Race::of("rate limit, two tasks", limits::shared_limits(HEALTHY)).two_tasks(),
        Race::of("hedge, not sent", hedges::hedges(HEALTHY)),
        Race::of("hedge, not sent, two tasks", hedges::shared_hedges(HEALTHY)).two_tasks(),
        Race::of("faults, off", hedges::faults(HEALTHY)),
        Race::of("each layer", stacks::layers(HEALTHY)),
        Race::of("layers", stacks::stacks(HEALTHY)),
        Race::of("layers, two tasks", stacks::stacks(HEALTHY)).two_tasks(),
        Race::of("layers, a clone for each call", stacks::cloned_stacks(HEALTHY)),
        Race::of("layers, a clone for each call, two tasks", stacks::cloned_stacks(HEALTHY)).two_tasks(),
        Race::of("layers, pends once", stacks::stacks(PendsOnce)),
        Race::of("layers and attempt timeout, pends once", stacks::with_attempt_timeout(PendsOnce)),
        Race::of("layers, polled by hand", stacks::stacks_by_hand(HEALTHY)),
        Race::of("layers over `http` types", http::stacks()),
    ];
    if !quick {
        races.insert(7, Race::of("time window, 100k calls in it", stacks::time_windows(HEALTHY)).filled(100_000));
    }
    races
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |argument: &str| arguments.iter().any(|given| given == argument);
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime needs nothing but memory");
    // Timers are made in a runtime and registered with it; it is never run.
    let _context = runtime.enter();

    let mut races = races(has("--quick"));
    let only = arguments.iter().position(|given| given == "--only").and_then(|at| arguments.get(at + 1));
    let is_asked_for = |work: &str| only.is_none_or(|only| work.contains(only.as_str()));
    races.retain(|race| is_asked_for(race.work));
    if has(instructions::COUNT_MINE) {
        instructions::make_counted_calls(&races);
        return ExitCode::SUCCESS;
    }
    if has("--check") {
        return check::run(&races, &instructions::count(&races, &arguments));
    }
    // Before any is dropped: freeing may be put off, and would then be taken for that of another.
    let ready: Vec<Vec<Ready>> = races.iter().map(get_ready).collect();
    let rows: Vec<Vec<Row>> =
        races.iter().zip(ready).map(|(race, ready)| run(race, ready, has("--quick"), runtime.handle())).collect();
    let counts = instructions::count(&races, &arguments);
    let loopback = is_asked_for(loopback::WORK).then(|| loopback::run(has("--quick")));
    let report = report::Report { races: &races, rows: &rows, counts: &counts, loopback: loopback.as_deref() };
    if only.is_some() {
        print!("{}", report.rows());
    } else if has("--write") {
        report.write().expect("the files can be written");
    } else {
        print!("{}", report.page());
    }
    ExitCode::SUCCESS
}

fn get_ready(race: &Race) -> Vec<Ready> {
    let one = |(_, make): &Named| {
        // What is allocated once for all instances is not counted; nor is it freed while something is.
        let mut first = make();
        first.make_calls(1);
        Box::leak(first);
        let (mut task, filling) = counting::counted(|| race.new_task(make));
        let ((), calling) = counting::counted(|| task.make_calls(COUNTED));
        Ready { task, filling, calling }
    };
    race.contenders.iter().map(one).collect()
}

fn run(race: &Race, ready: Vec<Ready>, quick: bool, runtime: &Handle) -> Vec<Row> {
    let mut contenders = Vec::new();
    let mut memory = Vec::new();
    for ((name, make), Ready { task, filling, calling }) in race.contenders.iter().zip(ready) {
        #[allow(clippy::cast_precision_loss, reason = "far fewer than 2^53")]
        let by_call = |total: u64| total as f64 / COUNTED as f64;
        let (allocations, bytes) = (by_call(calling.allocations), by_call(calling.bytes));
        // Two tasks allocate as one does, each.
        // The box around the contender is ours.
        let heap = filling.bytes - filling.freed - size_of_val(&*task) as u64;
        memory.push((race.tasks == 1).then_some(Memory { allocations, bytes, heap }));
        contenders.push(Contender { name: (*name).to_owned(), run: runner(race, make, task, runtime) });
    }
    let calls = if race.grows { 20 } else { 500 };
    // Two tasks take several tries a round.
    let rounds = if quick { 20 } else { 400 / race.tasks.pow(2) };
    let figures = harness::race(contenders, Pace { rounds, calls });
    figures.into_iter().zip(memory).map(|(figures, memory)| Row { figures, memory }).collect()
}

type Runner<'a> = Box<dyn FnMut(u64) -> Option<Duration> + 'a>;

fn runner<'a>(race: &'a Race, make: &'a Make, mut task: Box<dyn Task>, runtime: &'a Handle) -> Runner<'a> {
    if race.tasks == 2 {
        let mut twin = task.twin();
        return Box::new(move |calls| side_by_side([&mut *task, &mut *twin], calls, runtime));
    }
    // As `Ready` left it.
    let mut held = race.fill + COUNTED;
    Box::new(move |calls| {
        if race.grows {
            // Twenty per cent over is as good as full.
            if held > race.fill + race.fill / 5 {
                (task, held) = (race.new_task(make), race.fill);
            }
            // Whoever ran before has emptied the caches.
            task.make_calls(5);
            held += calls + 5;
        }
        Some(timed(|| task.make_calls(calls)))
    })
}

/// How often a round of two tasks is tried until both have a core to themselves.
const TRIES: usize = 20;

/// Makes the calls from two threads at once; the mean of their times. A round in which either had to wait for a core
/// says nothing of sharing: it is tried again, and in the end does not count.
fn side_by_side(tasks: [&mut dyn Task; 2], calls: u64, runtime: &Handle) -> Option<Duration> {
    let [one, other] = tasks;
    for _ in 0..TRIES {
        let waiting = AtomicUsize::new(2);
        let run = |task: &mut dyn Task| {
            let _context = runtime.enter();
            let before = waited_for_core();
            waiting.fetch_sub(1, Ordering::Relaxed);
            while waiting.load(Ordering::Relaxed) > 0 {
                std::hint::spin_loop();
            }
            let elapsed = timed(|| task.work_and_call(calls));
            (elapsed, waited_for_core() == before)
        };
        let results = thread::scope(|scope| {
            let threads = [scope.spawn(|| run(&mut *one)), scope.spawn(|| run(&mut *other))];
            threads.map(|thread| thread.join().expect("no callee panics"))
        });
        if results.iter().all(|(_, undisturbed)| *undisturbed) {
            return Some(results.iter().map(|(elapsed, _)| elapsed).sum::<Duration>() / 2);
        }
    }
    None
}

/// How long this thread has waited for a core so far, and how often it was given one. Linux tells; elsewhere every
/// round counts.
fn waited_for_core() -> Option<String> {
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    statistics.split_once(' ').map(|(_, waited)| waited.to_owned())
}
