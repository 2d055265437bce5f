//! What is printed: the conclusion, a line a second, and a summary. No line is longer than 100 columns.

use std::fmt::{self, Display};
use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use windbreak::Circuit;

use crate::clients::{RETRIES, RETRYING_TIMEOUT, TOTAL_TIMEOUT};
use crate::exchange::{Outcome, Tally, Wait, percentile, slots};
use crate::observed::{Observed, Side, Storm, name};
use crate::script::Script;

/// Tells a terminal how far the storm is, in a line that the report replaces.
pub(crate) async fn progress(script: Script, sides: [&Side; 3], circuit: &Circuit) {
    if !io::stderr().is_terminal() {
        return;
    }
    for step in 0..Script::STEPS {
        let time = script.step() * step;
        script.sleep_until(time).await;
        let [alone, retrying, sheltered] = sides.map(|side| side.observed().in_flight_at(time));
        eprint!(
            "\r{:>5.2} s: {:<10} in flight: {alone:>4} alone, {retrying:>4} with retry, {sheltered:>3} inside windbreak; \
             circuit {:<9}",
            time.as_secs_f64(),
            script.phase_at(time).mood,
            name(circuit.state())
        );
        // A line that is lost is no loss.
        let _ = io::stderr().flush();
    }
    script.sleep_until(script.length()).await;
    eprint!("\r{:100}\r", "");
}

/// Prints the conclusion, and what it rests on.
pub(crate) fn print(storm: &Storm) {
    let title = storm.title();
    println!("{title}\n{:=<1$}", "", title.len());
    for subtitle in storm.subtitles() {
        println!("{subtitle}");
    }
    println!();
    steps(storm);
    println!();
    summary(storm);
    if storm.late > Duration::from_millis(100) {
        println!("\nThis machine was busy: requests were sent up to {} ms late.", storm.late.as_millis());
    }
}

/// A line for each step of the script: a second, or less if it is played faster.
fn steps(storm: &Storm) {
    let script = storm.script;
    println!(
        "{} requests a second to each of three servers; naive retry: {} s timeout, {RETRIES} retries.\n\
         A line is what was sent up to its time: sent = ok (a good response of the server) + saved (by the\n\
         fallback) + fail + wait (still waiting when all is over). calls: what reached the server in that\n\
         time. circuit: its state at the end of it.\n",
        storm.rate,
        RETRYING_TIMEOUT.as_secs_f64(),
    );
    let heads: [&dyn Display; 4] = [&"ok", &"fail", &"wait", &"calls"];
    let side = counts(heads);
    println!("{:18}  {:<19}  {:<19}  inside windbreak", "", "reqwest alone", "naive retry");
    println!("{}", row(["time", "phase", "sent", &side, &side, &with_saved(&"saved", heads), "circuit"]));

    let [alone, retrying, sheltered] = storm.sides().map(|side| each_step(script, side));
    for (step, ((alone, retrying), sheltered)) in (0..).zip(alone.iter().zip(&retrying).zip(&sheltered)) {
        let (from, to) = (script.step() * step, script.step() * (step + 1));
        println!(
            "{}",
            row([
                &to.as_secs_f64().to_string(),
                &script.phase_at(from).mood.to_string(),
                &sheltered.0.sent().to_string(),
                &counts(cells(alone)),
                &counts(cells(retrying)),
                &with_saved(&sheltered.0.fallback, cells(sheltered)),
                name(storm.state_at(to)),
            ])
        );
    }
}

/// What became of the requests sent in each step, and how many calls reached the server in it.
fn each_step(script: Script, side: &Observed) -> Vec<(Tally, usize)> {
    let (width, count) = (script.step(), Script::STEPS as usize);
    let sent = slots(&side.exchanges, |exchange| exchange.sent, width, count).into_iter().map(Tally::of);
    let calls = slots(&side.calls, |call| **call, width, count).into_iter().map(|calls| calls.len());
    sent.zip(calls).collect()
}

fn row([time, phase, sent, alone, retrying, sheltered, circuit]: [&str; 7]) -> String {
    format!("{time:>4} {phase:<8} {sent:>4}  {alone}  {retrying}  {sheltered}  {circuit}")
}

fn cells((tally, calls): &(Tally, usize)) -> [&dyn Display; 4] {
    [&tally.real, &tally.failed, &tally.waiting, calls]
}

fn counts([ok, fail, wait, calls]: [&dyn Display; 4]) -> String {
    format!("{ok:>3} {fail:>4} {wait:>4} {calls:>5}")
}

fn with_saved(saved: &dyn Display, [ok, fail, wait, calls]: [&dyn Display; 4]) -> String {
    format!("{ok:>3} {saved:>5} {fail:>4} {wait:>4} {calls:>5}")
}

/// The three clients next to one another.
fn summary(storm: &Storm) {
    let row = |name: &str, of: &dyn Fn(&Observed) -> String| {
        let [alone, retrying, sheltered] = storm.sides().map(of);
        println!("{name:<42} {alone:>16} {retrying:>16} {sheltered:>18}");
    };
    println!("{:<42} {:>16} {:>16} {:>18}", "", "reqwest alone", "naive retry", "inside windbreak");
    row("requests", &|side| side.exchanges.len().to_string());
    row("  real responses of the server", &|side| side.tally().real.to_string());
    row("  responses of the fallback (saved)", &|side| side.tally().fallback.to_string());
    row("  failed", &|side| side.tally().failed.to_string());
    row("  still waiting at the end", &|side| side.tally().waiting.to_string());
    row(&format!("real responses within {} s", TOTAL_TIMEOUT.as_secs_f64()), &|side| {
        side.real_within(TOTAL_TIMEOUT).to_string()
    });
    for (outcome, name) in
        [(Outcome::Real, "real response"), (Outcome::Fallback, "fallback"), (Outcome::Failed, "failure")]
    {
        row(&format!("latency of a {name}: p50 / p99"), &|side| {
            let [p50, p99] = [50, 99].map(|percent| Latency(percentile(side.of(outcome), percent)));
            if side.of(outcome).next().is_none() { "-".to_owned() } else { format!("{p50} / {p99}") }
        });
    }
    row("worst wait, whatever came of it", &|side| Latency(percentile(side.exchanges.iter(), 100)).to_string());
    row("most requests in flight at once", &|side| side.peak_in_flight().to_string());
    row("calls that reached the server", &|side| side.calls.len().to_string());
    row("most calls inside the server at once", &|side| side.peak_inside.to_string());
    row("connections", &|side| side.connections.to_string());
    let open = format!("{:.1} s", storm.open_time().as_secs_f64());
    println!("{:<42} {:>16} {:>16} {open:>18}", "time the circuit was not closed", "-", "-");
}

/// A wait, or a dash where there is none.
struct Latency(Option<Wait>);

impl Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("-"),
            Some(Wait { time, .. }) if time < Duration::from_millis(1) => f.write_str("<1 ms"),
            Some(Wait { time, at_least }) if time < Duration::from_secs(1) => {
                write!(f, "{}{} ms", if at_least { ">" } else { "" }, time.as_millis())
            }
            // Rounded down, so that it is more than that.
            Some(Wait { time, at_least: true }) => write!(f, ">{}.{} s", time.as_secs(), time.subsec_millis() / 100),
            Some(Wait { time, at_least: false }) => write!(f, "{:.1} s", time.as_secs_f64()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_has_the_unit_that_suits_it_and_a_sign_while_it_lasts() {
        let latency =
            |micros, at_least| Latency(Some(Wait { time: Duration::from_micros(micros), at_least })).to_string();
        assert_eq!(
            [latency(999, false), latency(999_999, false), latency(9_960_000, false)],
            ["<1 ms", "999 ms", "10.0 s"]
        );
        assert_eq!([latency(999_999, true), latency(9_960_000, true)], [">999 ms", ">9.9 s"]);
        assert_eq!(Latency(None).to_string(), "-");
    }

    #[test]
    fn a_line_of_the_table_fits_a_hundred_columns_at_the_highest_rate() {
        let busiest = (Tally { real: 400, fallback: 400, failed: 400, waiting: 400 }, 1_200);
        let side = counts(cells(&busiest));
        let sheltered = with_saved(&busiest.0.fallback, cells(&busiest));
        let heads: [&dyn Display; 4] = [&"ok", &"fail", &"wait", &"calls"];
        let head_of_side = counts(heads);
        let head =
            row(["time", "phase", "sent", &head_of_side, &head_of_side, &with_saved(&"saved", heads), "circuit"]);
        let line = row(["4.75", "refusing", "400", &side, &side, &sheltered, "half-open"]);
        assert!(line.len() <= 100, "{} columns", line.len());
        assert_eq!(line.len() - "half-open".len(), head.len() - "circuit".len(), "the columns stand below their heads");
    }
}
