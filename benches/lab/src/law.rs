//! The law: a stack is never worse than no stack. Each clause is a function that gives its violations, with figures.

use std::fmt;

use crate::figures::Figures;
use crate::scenario::{Family, Scenario};
use crate::setups::Setup;

/// How much of what another client gets well the stack has to get.
const SHARE: f64 = 0.98;
/// A naive retry that adds more load than this is no measure.
const FAIR_LOAD: f64 = 1.2;
/// What a stack may send for each request.
const MOST_LOAD: f64 = 1.2;
/// What the retry budget allows beyond that, in each of its windows of ten seconds.
const BUDGET_FLOOR: f64 = 100.0;
const BUDGET_WINDOW: f64 = 10.0;
/// What may get through an outage once it is detected.
const LEAK: f64 = 0.1;
/// The probes of one open wait, and the shortest that the waits can be: half of 1 s, growing by an eighth up to 30 s.
const PROBES: f64 = 1.0;
const SHORTEST_WAIT: f64 = 0.5;
const WAIT_GROWTH: f64 = 1.125;
const LONGEST_SHORT_WAIT: f64 = 15.0;
/// How long after the healing there may be failures: this, and a quarter of the outage.
const RECOVERY: f64 = 1.0;
const RECOVERY_SHARE: f64 = 0.25;
/// An outage of so many seconds and requests has to be detected.
const LONG_OUTAGE: f64 = 5.0;
const MANY_REQUESTS: f64 = 50.0;
/// What may wait at any time: what the bulkhead holds, and what comes within one attempt timeout.
const BULKHEAD: f64 = 4_096.0;
const ATTEMPT_TIMEOUT: f64 = 10.0;

/// A row of the matrix: what each client came to.
pub(crate) struct Row {
    pub(crate) scenario: Scenario,
    pub(crate) figures: Vec<(Setup, Figures)>,
}

impl Row {
    pub(crate) fn of(&self, setup: Setup) -> Option<&Figures> {
        self.figures.iter().find(|(one, _)| *one == setup).map(|(_, figures)| figures)
    }
}

/// One clause that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) scenario: String,
    /// Whose it is.
    pub(crate) setup: &'static str,
    /// The name of the clause.
    pub(crate) clause: &'static str,
    pub(crate) sentence: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {} ({})", self.scenario, self.setup, self.sentence, self.clause)
    }
}

type Clause = (&'static str, fn(&Row, &Figures) -> Option<String>);

const CLAUSES: [Clause; 11] = [
    ("no worse than bare", no_worse_than_bare),
    ("no worse than naive", no_worse_than_naive),
    ("no false rejections", no_false_rejections),
    ("load", load),
    ("effects", effects),
    ("outage: detected", detected),
    ("outage: load", outage_load),
    ("outage: told at once", told_at_once),
    ("outage: recovery", recovery),
    ("outage: waiting", waiting),
    ("outage: in flight", in_flight),
];

/// Every violation of a row, by every stack of ours.
pub(crate) fn violations(row: &Row) -> Vec<Violation> {
    violations_by(row, Setup::is_ours)
}

/// Every violation of a row, by some of the clients.
pub(crate) fn violations_by(row: &Row, is_meant: fn(Setup) -> bool) -> Vec<Violation> {
    let mut all = Vec::new();
    for (setup, ours) in row.figures.iter().filter(|(setup, _)| is_meant(*setup)) {
        let found = |&(clause, find): &Clause| {
            let sentence = find(row, ours)?;
            Some(Violation { scenario: row.scenario.title(), setup: setup.name(), clause, sentence })
        };
        all.extend(CLAUSES.iter().filter_map(found));
    }
    all
}

fn is_partial(row: &Row) -> bool {
    matches!(row.scenario.family, Family::Healthy | Family::Partial)
}

/// In a partial failure at least as many requests are answered well as by the client alone.
fn no_worse_than_bare(row: &Row, ours: &Figures) -> Option<String> {
    let bare = row.of(Setup::Bare).filter(|_| is_partial(row))?;
    (ours.well < SHARE * bare.well).then(|| {
        format!(
            "{:.1} requests are answered well ({:.1} %); the bare client gets {:.1} ({:.1} %)",
            ours.well,
            100.0 * ours.well_ratio(),
            bare.well,
            100.0 * bare.well_ratio()
        )
    })
}

/// And as by a naive retry, of the requests that may be sent again, where that costs no more than it should.
fn no_worse_than_naive(row: &Row, ours: &Figures) -> Option<String> {
    let naive = row.of(Setup::Naive).filter(|naive| is_partial(row) && naive.load_ratio() <= FAIR_LOAD)?;
    (ours.repeatable_well < SHARE * naive.repeatable_well).then(|| {
        format!(
            "{:.1} repeatable requests are answered well; naive retry gets {:.1}, with {:.2} attempts for each request",
            ours.repeatable_well,
            naive.repeatable_well,
            naive.load_ratio()
        )
    })
}

/// Nothing is rejected while the upstream is healthy.
fn no_false_rejections(row: &Row, ours: &Figures) -> Option<String> {
    (row.scenario.family == Family::Healthy && ours.falsely > 0.0).then(|| {
        format!("{:.1} of {:.0} requests are rejected though the upstream is healthy", ours.falsely, ours.requests)
    })
}

/// Retries add no more load than the budget allows.
fn load(row: &Row, ours: &Figures) -> Option<String> {
    let windows = (row.scenario.length.as_secs_f64() / BUDGET_WINDOW).ceil() + 1.0;
    let most = MOST_LOAD * ours.requests + windows * BUDGET_FLOOR;
    (ours.attempts > most).then(|| {
        format!(
            "{:.0} attempts are made for {:.0} requests; at most {most:.0} are allowed",
            ours.attempts, ours.requests
        )
    })
}

/// A `POST` without a key takes effect at most once.
fn effects(_: &Row, ours: &Figures) -> Option<String> {
    (ours.twice > 0.0).then(|| format!("{:.2} requests without a key take effect twice in a run", ours.twice))
}

/// An outage that is long enough is noticed. One in which nothing is heard of the upstream shows when attempts time out.
fn detected(row: &Row, ours: &Figures) -> Option<String> {
    let (_, length) = row.scenario.outage?;
    let silence = if row.scenario.is_silent() { ATTEMPT_TIMEOUT } else { 0.0 };
    let (seconds, rate) = (length.as_secs_f64() - silence, f64::from(row.scenario.rate?));
    let missed = ours.runs - ours.outage?.detected;
    (seconds >= LONG_OUTAGE && seconds * rate >= MANY_REQUESTS && missed > 0)
        .then(|| format!("an outage of {} s is not noticed in {missed} of {} runs", length.as_secs_f64(), ours.runs))
}

/// How many open waits can end in `seconds`.
fn waits_within(seconds: f64) -> f64 {
    let (mut waits, mut wait, mut end) = (0.0, SHORTEST_WAIT, 0.0);
    loop {
        end += wait;
        if end > seconds {
            return waits;
        }
        waits += 1.0;
        wait = (wait * WAIT_GROWTH).min(LONGEST_SHORT_WAIT);
    }
}

/// What may get through the outages of all runs, once they are detected: a share of the requests, or one set of probes for
/// each open wait, whichever is more.
fn allowed(ours: &Figures) -> Option<f64> {
    let outage = ours.outage.filter(|outage| outage.detected > 0)?;
    let runs = f64::from(outage.detected);
    Some((LEAK * outage.requests).max(runs * PROBES * (1.0 + waits_within(outage.seconds / runs))))
}

/// After detection hardly anything reaches the upstream.
fn outage_load(_: &Row, ours: &Figures) -> Option<String> {
    let (outage, allowed) = (ours.outage?, allowed(ours)?);
    (outage.attempts > allowed).then(|| {
        format!(
            "after detection {:.0} attempts reach the upstream for {:.0} requests; at most {allowed:.0} are allowed",
            outage.attempts, outage.requests
        )
    })
}

/// After detection callers are told at once, but for those that serve as probes.
fn told_at_once(_: &Row, ours: &Figures) -> Option<String> {
    let (outage, allowed) = (ours.outage?, allowed(ours)?);
    (outage.told_late > allowed).then(|| {
        format!(
            "after detection {:.0} of {:.0} requests fail late; at most {allowed:.0} are allowed",
            outage.told_late, outage.requests
        )
    })
}

/// Soon after the upstream is healed nothing fails any more.
fn recovery(row: &Row, ours: &Figures) -> Option<String> {
    let (_, length) = row.scenario.outage?;
    let (last, most) = (ours.outage?.last_failure, RECOVERY + RECOVERY_SHARE * length.as_secs_f64());
    (last > most)
        .then(|| format!("a request that comes {last:.2} s after the healing fails; at most {most:.2} s is allowed"))
}

/// Callers do not pile up in an outage.
fn waiting(row: &Row, ours: &Figures) -> Option<String> {
    let most = BULKHEAD + ATTEMPT_TIMEOUT * f64::from(row.scenario.rate?);
    let waiting = crate::figures::count(ours.most_waiting);
    (row.scenario.outage.is_some() && waiting > most)
        .then(|| format!("{waiting} requests wait at once; at most {most} are allowed"))
}

/// Nor do attempts.
fn in_flight(row: &Row, ours: &Figures) -> Option<String> {
    let in_flight = crate::figures::count(ours.most_in_flight);
    (row.scenario.outage.is_some() && in_flight > BULKHEAD)
        .then(|| format!("{in_flight} attempts are in flight at once; at most {BULKHEAD} are allowed"))
}

#[cfg(test)]
mod tests;
