//! What is printed and written: the table, the matrix as markdown, everything as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::figures::Figures;
use crate::law::{Row, Violation, violations};
use crate::setups::Setup;

/// The headings of the matrix. Shares are percentages of the requests; times are seconds.
const HEADINGS: [&str; 20] = [
    "scenario",
    "bare",
    "naive",
    "peer",
    "ours",
    "hyper",
    "variant",
    "false",
    "load",
    "naive load",
    "peer load",
    "2x",
    "naive 2x",
    "peer 2x",
    "p50",
    "p99",
    "notice",
    "healed",
    "busy",
    "law",
];

fn cells(row: &Row) -> [String; 20] {
    let of = |setup, show: fn(&Figures) -> String| row.of(setup).map_or_else(String::new, show);
    let ours = |show: fn(&Figures) -> String| of(Setup::Ours, show);
    let well = |figures: &Figures| format!("{:.1}", 100.0 * figures.well_ratio());
    let load = |figures: &Figures| format!("{:.2}", figures.load_ratio());
    let twice = |figures: &Figures| if figures.twice > 0.0 { format!("{:.1}", figures.twice) } else { String::new() };
    let verdict = match violations(row).len() {
        0 => "ok".to_owned(),
        broken => format!("{broken} broken"),
    };
    [
        row.scenario.title(),
        of(Setup::Bare, well),
        of(Setup::Naive, well),
        of(Setup::Peer, well),
        ours(well),
        of(Setup::OursOverHyper, well),
        row.figures.iter().find(|(setup, _)| setup.is_other()).map_or_else(String::new, |(_, figures)| well(figures)),
        ours(|f| format!("{:.1}", 100.0 * f.falsely / f.requests.max(1.0))),
        ours(load),
        of(Setup::Naive, load),
        of(Setup::Peer, load),
        ours(twice),
        of(Setup::Naive, twice),
        of(Setup::Peer, twice),
        ours(|f| format!("{:.2}", f.p50)),
        ours(|f| format!("{:.2}", f.p99)),
        ours(|f| {
            f.outage.map_or_else(String::new, |o| o.mean_detection().map_or("-".to_owned(), |s| format!("{s:.2}")))
        }),
        ours(|f| f.outage.map_or_else(String::new, |o| format!("{:.2}", o.last_failure))),
        ours(|f| f.most_in_flight.to_string()),
        verdict,
    ]
}

/// The matrix, with its headings, without the columns in which there is nothing.
fn lines(rows: &[Row]) -> Vec<Vec<String>> {
    let cells: Vec<_> = rows.iter().map(cells).collect();
    let is_used = |column: usize| cells.iter().any(|line| !line[column].is_empty());
    let used: Vec<_> = (0..HEADINGS.len()).filter(|&column| is_used(column)).collect();
    let headings = HEADINGS.map(str::to_owned);
    let line = |line: &[String; 20]| used.iter().map(|&column| line[column].clone()).collect();
    std::iter::once(&headings).chain(&cells).map(line).collect()
}

/// The matrix, one line a scenario, for a terminal.
pub(crate) fn table(rows: &[Row]) -> String {
    let lines = lines(rows);
    let widths: Vec<_> = (0..lines[0].len())
        .map(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for line in lines {
        for (column, (cell, &width)) in line.iter().zip(&widths).enumerate() {
            let padded = if column == 0 { format!("{cell:<width$}") } else { format!(" {cell:>width$}") };
            text.push_str(&padded);
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

/// Every figure of every client, for one scenario or a few.
pub(crate) fn details(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        let _ = writeln!(text, "{}", row.scenario.title());
        for (setup, f) in &row.figures {
            let share = |part: f64| 100.0 * part / f.requests.max(1.0);
            let _ = write!(
                text,
                "  {:<16} {:.0} requests, {:.2} % well, {:.2} % rejected ({:.2} % falsely), {:.2} attempts each, {:.1} twice, \
                 p50 {:.3} s, p99 {:.3} s,\n  {:<16} at most {} waiting, {} in flight",
                setup.name(),
                f.requests,
                share(f.well),
                share(f.rejected),
                share(f.falsely),
                f.load_ratio(),
                f.twice,
                f.p50,
                f.p99,
                "",
                f.most_waiting,
                f.most_in_flight,
            );
            if let Some(outage) = f.outage {
                let runs = f64::from(outage.detected.max(1));
                let detection = outage.mean_detection().map_or("never".to_owned(), |s| format!("after {s:.2} s"));
                let _ = write!(
                    text,
                    ", detected {detection}, then {:.0} attempts and {:.0} told late of {:.0}, last failure {:.2} s after healing",
                    outage.attempts / runs,
                    outage.told_late / runs,
                    outage.requests / runs,
                    outage.last_failure
                );
            }
            text.push('\n');
        }
    }
    text
}

/// The matrix as a page.
pub(crate) fn page(rows: &[Row], seeds: u32) -> String {
    format!(
        "# The lab\n\n`cargo run --release -p lab -- --seeds {seeds} --markdown docs/lab.md` wrote this page. Each scenario was \
         played {seeds} times on simulated time, with the same requests for each client; what has thousands of requests a \
         quarter as often, and tower-resilience an eighth. What sockets do stands in [another page](lab-sockets.md).\n\n\
         The breaker of tower-resilience reads the clock of the system, which stands still beside a simulated one. So its wait \
         is set to zero, and a gate in front of it rejects in its place until the wait is over on the lab's clock; all else \
         that it does goes by counts. It judges no requests: whatever fails is sent again.\n\n\
         `--variant` plays another stack too: without the circuit or retries, with a circuit that opens at half, a throttle, or \
         a bulkhead that adapts. `--pictures` draws each scenario, and `--json` writes every figure of every client.\n\n\
         {LEGEND}\n{}",
        matrix(rows)
    )
}

/// The matrix of what was played over sockets, as a page.
pub(crate) fn real_page(rows: &[Row]) -> String {
    format!(
        "# The lab, over sockets\n\n`cargo run --release -p lab -- --real --markdown docs/lab-sockets.md` wrote this page. Each \
         scenario was played once in real time, on loopback, so its figures depend a little on the machine. Those named \
         `real` are servers of the lab's own; the others are Debian's nginx and haproxy in front of one. What is simulated \
         stands in [another page](lab.md). Pings of HTTP/2 come every second, but for the scenario without them.\n\n\
         Two scenarios are shown, and not under the law: HTTP/2 without pings, and a closed loop of 8 clients on 4 places. \
         There the bare client comes back at once until a place is free, while retries pause and leave places empty: the \
         stack gets a larger share of its requests, but about 0.9 times as many good responses within the same time. With \
         20 clients on 10 places it gets as many.\n\n{LEGEND}- **hyper**: the share that windbreak's stack gets around \
         hyper's client; in **ours** it is around reqwest.\n\n{}",
        matrix(rows)
    )
}

/// What the columns are.
const LEGEND: &str = "- **bare**, **naive**, **peer**, **ours**: the share of requests that got a good response, in percent, by \
    the client alone, by a naive retry, by tower-resilience's layers, and by windbreak's stack with no number of it changed.\n\
    - **false**: requests that the stack rejected although the upstream would have given a good response, in percent.\n\
    - **load**: attempts at the upstream for each request, by the stack, by the naive retry and by tower-resilience.\n\
    - **2x**: requests without an idempotency key that took effect more than once in a run, by each of them.\n\
    - **p50**, **p99**: seconds to a good response. **notice**: seconds from the beginning of an outage to the first \
    rejection. **healed**: seconds from its end to the last request that failed, in the worst run.\n\
    - **busy**: the most attempts in flight. **law**: how many clauses are broken.\n";

fn matrix(rows: &[Row]) -> String {
    let mut text = String::new();
    for (at, line) in lines(rows).iter().enumerate() {
        let _ = writeln!(text, "| {} |", line.join(" | "));
        if at == 0 {
            let _ = writeln!(text, "|---|{}", "--:|".repeat(line.len() - 1));
        }
    }
    text
}

/// All figures, and all violations.
pub(crate) fn json(rows: &[Row], seeds: u32) -> Value {
    let scenarios: Vec<_> = rows
        .iter()
        .map(|row| {
            let clients: serde_json::Map<_, _> =
                row.figures.iter().map(|(setup, figures)| (setup.name().to_owned(), of_one(figures))).collect();
            json!({
                "scenario": row.scenario.name,
                "rate": row.scenario.rate,
                "family": format!("{:?}", row.scenario.family).to_lowercase(),
                "clients": clients,
                "violations": violations(row).iter().map(|Violation { setup, clause, sentence, .. }| {
                    json!({ "client": setup, "clause": clause, "sentence": sentence })
                }).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({ "seeds": seeds, "scenarios": scenarios })
}

fn of_one(f: &Figures) -> Value {
    let outage = f.outage.map(|o| {
        json!({
            "detected_runs": o.detected, "mean_detection_s": o.mean_detection(), "seconds_after_detection": o.seconds,
            "requests_after_detection": o.requests, "attempts_after_detection": o.attempts,
            "told_late_after_detection": o.told_late, "last_failure_after_healing_s": o.last_failure,
        })
    });
    json!({
        "runs": f.runs, "requests": f.requests, "well": f.well, "repeatable_well": f.repeatable_well,
        "rejected": f.rejected, "rejected_falsely": f.falsely, "attempts": f.attempts, "effects_twice": f.twice,
        "p50_s": f.p50, "p99_s": f.p99, "most_waiting": f.most_waiting, "most_in_flight": f.most_in_flight, "outage": outage,
    })
}
