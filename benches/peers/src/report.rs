//! Writes BENCHMARKS.md and the three rows of the README, with what is needed to read them.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::{fs, io};

use crate::harness::{Figures, Spread};
use crate::instructions::{Counts, is_counted};
use crate::loopback;
use crate::summary::{over_bare, row, table};
use crate::{Race, Row};

/// What the figures do not say.
const NOT_MEASURED: &str = "\
ns are over the bare call (of the bare call itself: all of it), the median of interleaved rounds, and what eight rounds
in ten lie between; instructions are over the bare call too; allocations, bytes and heap are all there are, as requested
from the allocator.

- Each contender is called as users call it: an async function awaits each call. \"Polled by hand\" spares the future a
  move.
- Two tasks do about 200 ns of work of their own before each call, and their clones lie 128 bytes apart. Rounds in which a
  thread had to wait for a core are left out, which favours whoever is quick; where none is left it says n/a.
- Where it does not say otherwise, a task keeps its clone. From its second call on, a clone of windbreak's no longer writes
  to the same counts as other clones. \"A clone for each call\" is how servers call that clone their state for each
  request; there nothing is spared.
- Over loopback, what is measured is the processor time of the client's thread for a request, of all that it does.
- recloser has no time window, failsafe no window of so many calls (there it counts failures in a row), tower no circuit
  breaker. tower and tower-resilience retry without a budget here. Only windbreak's rejection says how long to wait.
- Layers of windbreak and tower-resilience: fallback, timeout, retry, circuit breaker, bulkhead; of tower: timeout,
  retry, concurrency limit. Over `http` types the requests are GETs with three headers, and each is copied for the retry.
  They are made from 32 depths of the stack in turn, because how its frames happen to lie costs up to 100 ns.
- A limit counts from the call, so that each timeout looks at the clock: about 23 of its nanoseconds. A `Stack` looks
  once for both of its timeouts.
- Not measured: more than two threads; time windows as they slide (they are an hour long); failures that trip a circuit,
  half-open, retries, full bulkheads.

`cargo bench` measures windbreak's own layers one by one, and per-key layers by the number of keys.
";

const README_BEGIN: &str = "<!-- costs: made by `cargo run --release -p peers -- --write` -->\n";
const README_END: &str = "<!-- end of costs -->\n";

/// All that was measured.
pub struct Report<'a> {
    pub races: &'a [Race],
    pub rows: &'a [Vec<Row>],
    pub counts: &'a Counts,
    pub loopback: Option<&'a [Figures]>,
}

impl Report<'_> {
    /// Writes both files.
    pub fn write(&self) -> io::Result<()> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        fs::write(root.join("BENCHMARKS.md"), self.page())?;
        let readme = fs::read_to_string(root.join("README.md"))?;
        let parts =
            readme.split_once(README_BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(README_END)?)));
        let (before, (_, after)) = parts.ok_or_else(|| io::Error::other("the README has no place for the costs"))?;
        fs::write(root.join("README.md"), format!("{before}{README_BEGIN}{}{README_END}{after}", self.in_readme()))
    }

    /// BENCHMARKS.md.
    pub fn page(&self) -> String {
        let mut page = format!(
            "# What it costs\n\nMeasured on {} with `cargo run --release -p peers -- --write`, on {}, with {}.\nFigures move \
             with the machine: compare within one run.\n\n## Beside tower's timeout, retry and concurrency limit\n\n{}\n\
             ## Every figure\n\n",
            date(),
            machine(),
            compiler(),
            table(self.races, self.rows, self.loopback),
        );
        let _ = write!(page, "{}\n{NOT_MEASURED}", self.rows());
        page
    }

    /// Every figure, as a table.
    pub fn rows(&self) -> String {
        let mut page =
            String::from("| work | contender | ns | p10..p90 | allocations | bytes | instructions | heap |\n");
        page.push_str("|---|---|--:|--:|--:|--:|--:|--:|\n");
        let mut counts = self.counts.as_ref().map(|counts| counts.iter().copied());
        for (race, rows) in self.races.iter().zip(self.rows) {
            let mut bare = None;
            for (index, row) in rows.iter().enumerate() {
                let count = if is_counted(race) { counts.as_mut().and_then(Iterator::next) } else { None };
                let of_bare = *bare.get_or_insert(count);
                let memory = row.memory.as_ref();
                let _ = writeln!(
                    page,
                    "| {} | {} | {} | {} | {} | {} | {} |",
                    race.work,
                    row.figures.name,
                    of_time(index, &row.figures),
                    or_na(memory.map(|memory| memory.allocations)),
                    or_na(memory.map(|memory| memory.bytes)),
                    or_na(if index == 0 { count } else { count.zip(of_bare).map(|(count, bare)| count - bare) }),
                    memory.map_or_else(|| "n/a".to_owned(), |memory| memory.heap.to_string()),
                );
            }
        }
        for (index, figures) in self.loopback.unwrap_or_default().iter().enumerate() {
            let time = of_time(index, figures);
            let _ = writeln!(page, "| {} | {} | {time} | n/a | n/a | n/a | n/a |", loopback::WORK, figures.name);
        }
        page
    }

    fn in_readme(&self) -> String {
        let ns = |work, contender| in_short(over_bare(self.races, self.rows, [work, contender]));
        let allocations = |contender| {
            or_na(row(self.races, self.rows, ["layers", contender]).memory.as_ref().map(|memory| memory.allocations))
        };
        let [ours, peers, towers] = ["windbreak, five", "tower-resilience, five", "tower, three"];
        format!(
            "| over the bare call | windbreak | tower-resilience 0.13 | tower 0.5 |\n|---|--:|--:|--:|\n| five layers \
             (tower: its three), healthy | {} ns | {} ns | {} ns |\n| allocations of a call, healthy | {} | {} | {} |\n| a \
             rejection by an open circuit | {} ns | {} ns | |\n\nMeasured on {} on {}. [BENCHMARKS.md][benchmarks] has \
             the whole table,\nand says what was not measured.\n",
            ns("layers", ours),
            ns("layers", peers),
            ns("layers", towers),
            allocations(ours),
            allocations(peers),
            allocations(towers),
            ns("breaker, open", "windbreak"),
            ns("breaker, open", "tower-resilience"),
            date(),
            machine(),
        )
    }
}

/// The two columns of the time.
fn of_time(index: usize, figures: &Figures) -> String {
    let Spread { p10, median, p90 } = if index == 0 { figures.total } else { figures.over };
    if median.is_nan() {
        return "n/a | n/a".to_owned();
    }
    format!("{} | {}..{}", in_short(median), in_short(p10), in_short(p90))
}

fn in_short(ns: f64) -> String {
    if ns.is_nan() {
        "n/a".to_owned()
    } else if ns.abs() < 100.0 {
        format!("{ns:.1}")
    } else {
        format!("{ns:.0}")
    }
}

fn or_na(number: Option<f64>) -> String {
    match number {
        None => "n/a".to_owned(),
        Some(number) if number.fract() == 0.0 => format!("{number:.0}"),
        Some(number) => in_short(number),
    }
}

fn machine() -> String {
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        info.lines().find_map(|line| line.strip_prefix("model name")).map(|line| line.trim_matches([' ', '\t', ':']));
    format!("{cpus} cores of {}", model.unwrap_or("an unknown machine"))
}

fn date() -> String {
    says("date", &["-u", "+%F"])
}

fn compiler() -> String {
    says("rustc", &["--version"])
}

fn says(program: &str, arguments: &[&str]) -> String {
    let said = Command::new(program).args(arguments).output();
    said.map_or_else(|_| format!("no {program}"), |said| String::from_utf8_lossy(&said.stdout).trim().to_owned())
}
