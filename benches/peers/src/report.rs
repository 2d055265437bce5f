//! Prints the table, with what is needed to read it.

use std::process::Command;

use crate::instructions::{Counts, is_counted};
use crate::{Race, Row};

/// What the figures do not say.
const NOT_MEASURED: &str = "\
ns are over the bare call, the median of interleaved rounds, and what eight rounds in ten lie between; instructions are
over the bare call too; allocations, bytes and heap are all there are, as requested from the allocator. Rounds of two
tasks in which a thread had to wait for a core are left out, which favours whoever is quick; where none is left it says
n/a: run it on an idle machine.

Not measured: a real runtime, network or timer (only \"pends once\" starts one; it never fires); more than two threads;
time windows as they slide (they are an hour long); failures that trip a circuit, half-open, retries, full bulkheads.
recloser has no time window, failsafe no window of so many calls (there it counts failures in a row), tower no circuit
breaker. tower's retry has no budget here and tower-resilience's has none either; windbreak's has its default one.
Layers of windbreak and tower-resilience: fallback, timeout, retry, circuit breaker, bulkhead; of tower: timeout, retry,
concurrency limit.";

pub fn print(races: &[Race], rows: &[Vec<Row>], counts: &Counts) {
    println!("{}, {}; {}; `cargo run --release -p peers`\n", date(), machine(), compiler());
    println!("| work | contender | ns | p10..p90 | allocations | bytes | instructions | heap |");
    println!("|---|---|--:|--:|--:|--:|--:|--:|");
    let mut counts = counts.as_ref().map(|counts| counts.iter().copied());
    for (race, rows) in races.iter().zip(rows) {
        let mut bare = None;
        for (index, row) in rows.iter().enumerate() {
            let count = if is_counted(race) { counts.as_mut().and_then(Iterator::next) } else { None };
            let of_bare = *bare.get_or_insert(count);
            let ns = if index == 0 { row.figures.total } else { row.figures.over };
            println!(
                "| {} | {} | {} | {} | {} | {} | {} | {} |",
                race.work,
                row.figures.name,
                in_short(ns.median),
                if ns.median.is_nan() {
                    "n/a".to_owned()
                } else {
                    format!("{}..{}", in_short(ns.p10), in_short(ns.p90))
                },
                or_na(row.memory.as_ref().map(|memory| memory.allocations)),
                or_na(row.memory.as_ref().map(|memory| memory.bytes)),
                or_na(if index == 0 { count } else { count.zip(of_bare).map(|(count, bare)| count - bare) }),
                row.memory.as_ref().map_or_else(|| "n/a".to_owned(), |memory| memory.heap.to_string()),
            );
        }
    }
    println!("\n{NOT_MEASURED}");
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
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
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
