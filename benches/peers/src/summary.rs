//! What the figures come to: how many times what tower's three layers cost.

use std::fmt::Write;

use crate::harness::Figures;
use crate::{Race, Row};

const TOWER: &str = "tower, three";

/// One line of the summary: what is compared with what. Each is a race and a contender in it.
struct Line {
    what: &'static str,
    of: [&'static str; 2],
    to: [&'static str; 2],
}

const fn to_tower(what: &'static str, race: &'static str, contender: &'static str) -> Line {
    Line { what, of: [race, contender], to: ["layers", TOWER] }
}

const fn within(what: &'static str, race: &'static str, contender: &'static str) -> Line {
    Line { what, of: [race, contender], to: [race, TOWER] }
}

const LINES: [Line; 16] = [
    to_tower("five layers, healthy", "layers", "windbreak, five"),
    to_tower("the three layers that tower has", "layers", "windbreak, the three that tower has"),
    within("five layers, polled by hand", "layers, polled by hand", "windbreak, five"),
    to_tower("circuit breaker, healthy", "breaker, healthy", "windbreak"),
    to_tower("circuit breaker, 1 call in 100 fails", "breaker, 1 call in 100 fails", "windbreak"),
    to_tower("circuit breaker over a time window, 100 calls in it", "time window, 100 calls in it", "windbreak"),
    to_tower("the same, 10,000 calls in it", "time window, 10k calls in it", "windbreak"),
    within("five layers, two tasks that keep a clone each", "layers, two tasks", "windbreak, five"),
    within("the same, with a clone for each call", "layers, a clone for each call, two tasks", "windbreak, five"),
    within("five layers, a response that pends once", "layers, pends once", "windbreak, five"),
    within("the same with a timeout for each attempt", "layers and attempt timeout, pends once", "windbreak, six"),
    within(
        "the same as a `Stack`",
        "layers and attempt timeout, pends once",
        "windbreak, six: a fallback and a `Stack`",
    ),
    within("five layers over `http` types", "layers over `http` types", "windbreak, five"),
    to_tower("rate limit", "rate limit", "windbreak"),
    to_tower("hedge that is not sent", "hedge, not sent", "windbreak: extra_load"),
    Line {
        what: "a rejection by an open circuit, over that of recloser",
        of: ["breaker, open", "windbreak"],
        to: ["breaker, open", "recloser"],
    },
];

/// The ratios, as a table.
pub fn table(races: &[Race], rows: &[Vec<Row>], loopback: Option<&[Figures]>) -> String {
    let mut table = String::from("| cost over the bare call | times tower's three |\n|---|--:|\n");
    for line in &LINES {
        let ratio = over_bare(races, rows, line.of) / over_bare(races, rows, line.to);
        let _ = writeln!(table, "| {} | {} |", line.what, in_short(ratio));
    }
    let ratio = loopback.map_or(f64::NAN, |figures| figures[1].over.median / figures[2].over.median);
    let _ =
        writeln!(table, "| five layers over loopback, 32 requests in flight, processor time | {} |", in_short(ratio));
    table
}

/// Nanoseconds over the bare call.
pub fn over_bare(races: &[Race], rows: &[Vec<Row>], [work, contender]: [&str; 2]) -> f64 {
    row(races, rows, [work, contender]).figures.over.median
}

pub fn row<'a>(races: &[Race], rows: &'a [Vec<Row>], [work, contender]: [&str; 2]) -> &'a Row {
    let of_race = races.iter().zip(rows).find(|(race, _)| race.work == work);
    let of_contender = of_race.and_then(|(_, rows)| rows.iter().find(|row| row.figures.name == contender));
    of_contender.expect("the summary names races and contenders that there are")
}

fn in_short(ratio: f64) -> String {
    if ratio.is_nan() { "n/a".to_owned() } else { format!("{ratio:.2}") }
}
