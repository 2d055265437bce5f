//! What is printed: a line a second, and a table at the end.

use std::fmt::{self, Display};
use std::time::Duration;

use windbreak::Circuit;
use windbreak::circuit_breaker::State;

use crate::script::Script;
use crate::server::Server;
use crate::traffic::{Exchange, Log, Outcome};
use crate::{BULKHEAD, TOTAL_TIMEOUT};

/// A server, and the traffic sent to it.
pub(crate) struct Side {
    pub(crate) server: Server,
    pub(crate) log: Log,
}

/// What was seen of a side.
pub(crate) struct Observed {
    pub(crate) exchanges: Vec<Exchange>,
    /// When the calls reached the server.
    calls: Vec<Duration>,
    peak_inside: u32,
    connections: u32,
}

/// What was seen of both.
pub(crate) struct Storm {
    pub(crate) script: Script,
    pub(crate) rate: u32,
    /// By how much a request was sent too late at the worst: how long the machine was too busy.
    pub(crate) late: Duration,
    pub(crate) bare: Observed,
    pub(crate) sheltered: Observed,
    /// Every state of the circuit, and since when.
    pub(crate) states: Vec<(Duration, State)>,
}

impl Side {
    pub(crate) fn observed(&self) -> Observed {
        Observed {
            exchanges: self.log.exchanges(),
            calls: self.server.calls(),
            peak_inside: self.server.peak_inside(),
            connections: self.server.connections(),
        }
    }
}

impl Observed {
    pub(crate) fn in_flight_at(&self, time: Duration) -> usize {
        self.exchanges.iter().filter(|exchange| exchange.is_in_flight_at(time)).count()
    }

    fn count(&self, outcome: Outcome) -> usize {
        self.exchanges.iter().filter(|exchange| exchange.outcome == outcome).count()
    }

    fn answered_in_time(&self) -> usize {
        let in_time =
            |exchange: &&Exchange| exchange.outcome == Outcome::Answered && exchange.latency() <= TOTAL_TIMEOUT;
        self.exchanges.iter().filter(in_time).count()
    }

    pub(crate) fn peak_in_flight(&self) -> usize {
        self.exchanges.iter().map(|exchange| self.in_flight_at(exchange.sent)).max().unwrap_or(0)
    }
}

impl Storm {
    /// How long the circuit was in a state other than closed.
    fn open_time(&self) -> Duration {
        self.spans().filter(|(_, _, state)| *state != State::Closed).map(|(from, to, _)| to.saturating_sub(from)).sum()
    }

    /// The states of the circuit, from when to when.
    pub(crate) fn spans(&self) -> impl Iterator<Item = (Duration, Duration, State)> {
        let ends = self.states.iter().skip(1).map(|&(since, _)| since).chain([self.script.length()]);
        self.states.iter().zip(ends).map(|(&(from, state), to)| (from, to, state))
    }

    /// In what the stack did not protect its caller; empty if it did.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        let (bare, sheltered) = (&self.bare, &self.sheltered);

        let answered = sheltered.count(Outcome::Answered) + sheltered.count(Outcome::FellBack);
        let bare_answered = bare.count(Outcome::Answered);
        if answered < bare_answered {
            complaints.push(format!("{answered} requests were answered, {bare_answered} by the bare client"));
        }

        let last_step = self.script.length().saturating_sub(self.script.step());
        if !sheltered.exchanges.iter().any(|e| e.sent >= last_step && e.outcome == Outcome::Answered) {
            complaints.push("the server was well again, and no request got through to it".to_owned());
        }

        // What arrives at a certain rate and stays for a certain time at the most is never more than their product
        // (Little's law). A busy machine sends late, and all at once; it is as late in ending what is overdue.
        let stay = TOTAL_TIMEOUT + self.late * 2;
        let bound = (stay * self.rate).as_secs() + 1;
        let peak = sheltered.peak_in_flight();
        if peak as u64 > bound {
            complaints.push(format!("{peak} requests were in flight; it should be {bound} at the most"));
        }

        // Calls given up take a moment to leave the server, while others have taken their places in the bulkhead.
        let inside = sheltered.peak_inside;
        if inside as usize > BULKHEAD * 2 {
            complaints.push(format!("{inside} calls were inside the server, past a bulkhead of {BULKHEAD}"));
        }
        complaints
    }
}

/// How long it took, or, while the caller still waits, how long it has waited.
#[derive(Clone, Copy)]
struct Latency {
    time: Duration,
    at_least: bool,
}

/// The latency of which `percent` of the exchanges are no slower; `None` if there are none.
fn percentile<'a>(exchanges: impl Iterator<Item = &'a Exchange>, percent: usize) -> Cell<Latency> {
    let mut latencies: Vec<_> =
        exchanges.map(|e| Latency { time: e.latency(), at_least: e.outcome == Outcome::Waiting }).collect();
    latencies.sort_unstable_by_key(|latency| latency.time);
    let last = latencies.len().checked_sub(1);
    Cell(last.map(|last| latencies[last * percent / 100]))
}

impl Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.at_least { ">" } else { "" };
        if self.time < Duration::from_millis(1) {
            write!(f, "<1 ms")
        } else if self.time < Duration::from_secs(1) {
            write!(f, "{sign}{} ms", self.time.as_millis())
        } else {
            write!(f, "{sign}{:.1} s", self.time.as_secs_f64())
        }
    }
}

/// A cell of a table: a dash where there is nothing to say. Padded as a whole.
struct Cell<T>(Option<T>);

impl<T: Display> Display for Cell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.as_ref().map_or_else(|| "-".to_owned(), T::to_string))
    }
}

/// One side in a line of the progress.
fn half([ok, fallback, fail, waiting, p50, p99, calls]: [&dyn Display; 7]) -> String {
    format!("{ok:>4} {fallback:>5} {fail:>4} {waiting:>7} {p50:>7} {p99:>7} {calls:>5}")
}

fn half_of(side: &Observed, from: Duration, to: Duration) -> String {
    let ended = |e: &&Exchange| e.outcome != Outcome::Waiting && from < e.ended && e.ended <= to;
    let ended: Vec<_> = side.exchanges.iter().filter(ended).collect();
    let count = |outcome| ended.iter().filter(|e| e.outcome == outcome).count();
    let calls = side.calls.iter().filter(|&&call| from < call && call <= to).count();
    half([
        &count(Outcome::Answered),
        &count(Outcome::FellBack),
        &count(Outcome::Failed),
        &side.in_flight_at(to),
        &percentile(ended.iter().copied(), 50),
        &percentile(ended.iter().copied(), 99),
        &calls,
    ])
}

/// Prints a line for each step of the script: a second, or less if it is played faster.
pub(crate) async fn progress(script: Script, bare: &Side, sheltered: &Side, circuit: &Circuit) {
    let heads = half([&"ok", &"saved", &"fail", &"waiting", &"p50", &"p99", &"calls"]);
    let width = heads.len();
    println!("{:19} | {:^width$} | {:^width$} |", "", "reqwest alone", "reqwest inside windbreak");
    println!("  time   phase      | {heads} | {heads} | circuit");
    println!("{0:-<19}-+-{0:-<width$}-+-{0:-<width$}-+----------", "");
    for step in 0..Script::STEPS {
        let (from, to) = (script.step() * step, script.step() * (step + 1));
        script.sleep_until(to).await;
        println!(
            "{:>5.2} s  {:<10} | {} | {} | {}",
            to.as_secs_f64(),
            script.phase_at(from).mood,
            half_of(&bare.observed(), from, to),
            half_of(&sheltered.observed(), from, to),
            circuit.state(),
        );
    }
}

/// Prints both sides next to one another.
pub(crate) fn table(storm: &Storm) {
    let row = |name: &str, of: &dyn Fn(&Observed) -> String| {
        println!("{name:<46} {:>14} {:>18}", of(&storm.bare), of(&storm.sheltered));
    };
    println!("\n{:<46} {:>14} {:>18}", "", "reqwest alone", "inside windbreak");
    row("requests", &|side| side.exchanges.len().to_string());
    row("answered by the service", &|side| side.count(Outcome::Answered).to_string());
    row(&format!("  of these within {TOTAL_TIMEOUT:?}"), &|side| side.answered_in_time().to_string());
    row("answered by the fallback (saved)", &|side| side.count(Outcome::FellBack).to_string());
    row("failed", &|side| side.count(Outcome::Failed).to_string());
    row("still waiting at the end", &|side| side.count(Outcome::Waiting).to_string());
    for percent in [50, 99, 100] {
        let name = if percent == 100 { "latency max".to_owned() } else { format!("latency p{percent}") };
        row(&name, &|side| percentile(side.exchanges.iter(), percent).to_string());
    }
    row("most requests in flight at once", &|side| side.peak_in_flight().to_string());
    row("most calls inside the server at once", &|side| side.peak_inside.to_string());
    row("calls that reached the server", &|side| side.calls.len().to_string());
    row("connections", &|side| side.connections.to_string());
    let open = format!("{:.1} s", storm.open_time().as_secs_f64());
    println!("{:<46} {:>14} {open:>18}", "time the circuit was not closed", "-");
    if storm.late > Duration::from_millis(100) {
        println!("\nThis machine was busy: requests were sent up to {} ms late.", storm.late.as_millis());
    }
}
