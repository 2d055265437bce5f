//! What a run comes to, and what several of them come to on average.

use std::time::Duration;

use crate::run::{End, Exchange, Record};
use crate::scenario::Scenario;

/// Who is told within this time is told at once.
pub(crate) const AT_ONCE: Duration = Duration::from_millis(50);

/// Of one run; or, merged, of several.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Figures {
    pub(crate) runs: u32,
    pub(crate) requests: f64,
    /// Answered well.
    pub(crate) well: f64,
    /// Of those that do no harm when sent again.
    pub(crate) repeatable_well: f64,
    /// Rejected by the stack.
    pub(crate) rejected: f64,
    /// Rejected, although the upstream would have answered well.
    pub(crate) falsely: f64,
    pub(crate) attempts: f64,
    /// Requests without a key that took effect more than once.
    pub(crate) twice: f64,
    /// Of those that were answered well, in seconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// The most requests that waited at the callers, and the most attempts at the upstream, of any run.
    pub(crate) most_waiting: usize,
    pub(crate) most_in_flight: usize,
    /// Where there is an outage.
    pub(crate) outage: Option<OutageFigures>,
}

/// Sums over the runs, unless it says otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct OutageFigures {
    /// In how many runs a request was rejected because the upstream was taken for down, while it was.
    pub(crate) detected: u32,
    /// Seconds from the beginning of the outage to the first rejection, in those runs.
    pub(crate) detection: f64,
    /// From there to the end of the outage: seconds, requests that came, attempts that reached the upstream, and requests
    /// that failed and were not told [at once](AT_ONCE).
    pub(crate) seconds: f64,
    pub(crate) requests: f64,
    pub(crate) attempts: f64,
    pub(crate) told_late: f64,
    /// Seconds from the healing to the last failure of a request that came after it, in the worst run.
    pub(crate) last_failure: f64,
}

impl Figures {
    pub(crate) fn of(scenario: &Scenario, record: &Record) -> Self {
        let Record { exchanges, counts } = record;
        let well = |exchange: &&Exchange| exchange.end == End::Well;
        let mut latencies: Vec<_> = exchanges.iter().filter(well).map(Exchange::took).collect();
        latencies.sort_unstable();
        let percentile = |percent: usize| {
            latencies.get(latencies.len().saturating_sub(1) * percent / 100).map_or(0.0, Duration::as_secs_f64)
        };
        let falsely = exchanges.iter().map(|e| if let End::Rejected(r) = e.end { r.would_answer } else { 0.0 }).sum();
        let unkeyed_twice = counts.effects.values().filter(|&&times| times > 1).count();
        Self {
            runs: 1,
            requests: count(exchanges.len()),
            well: count(latencies.len()),
            repeatable_well: count(exchanges.iter().filter(well).filter(|e| e.repeatable).count()),
            rejected: count(exchanges.iter().filter(|e| matches!(e.end, End::Rejected(_))).count()),
            falsely,
            attempts: count(counts.attempts.len()),
            twice: count(unkeyed_twice),
            p50: percentile(50),
            p99: percentile(99),
            most_waiting: most_waiting(exchanges),
            most_in_flight: counts.most_in_flight,
            outage: scenario.outage.map(|(from, length)| outage(record, from, from + length)),
        }
    }

    /// The averages of several runs, and the worst where it says so.
    pub(crate) fn merge(runs: &[Self]) -> Self {
        let n = count(runs.len().max(1));
        let mean = |field: fn(&Self) -> f64| runs.iter().map(field).sum::<f64>() / n;
        let outages: Vec<_> = runs.iter().filter_map(|run| run.outage).collect();
        Self {
            runs: runs.iter().map(|run| run.runs).sum(),
            requests: mean(|run| run.requests),
            well: mean(|run| run.well),
            repeatable_well: mean(|run| run.repeatable_well),
            rejected: mean(|run| run.rejected),
            falsely: mean(|run| run.falsely),
            attempts: mean(|run| run.attempts),
            twice: mean(|run| run.twice),
            p50: mean(|run| run.p50),
            p99: mean(|run| run.p99),
            most_waiting: runs.iter().map(|run| run.most_waiting).max().unwrap_or(0),
            most_in_flight: runs.iter().map(|run| run.most_in_flight).max().unwrap_or(0),
            outage: (!outages.is_empty()).then(|| OutageFigures::sum(&outages)),
        }
    }

    /// The share of the requests that were answered well.
    pub(crate) fn well_ratio(&self) -> f64 {
        self.well / self.requests.max(1.0)
    }

    /// Attempts at the upstream for each request.
    pub(crate) fn load_ratio(&self) -> f64 {
        self.attempts / self.requests.max(1.0)
    }
}

impl OutageFigures {
    fn sum(all: &[Self]) -> Self {
        let sum = |field: fn(&Self) -> f64| all.iter().map(field).sum::<f64>();
        Self {
            detected: all.iter().map(|one| one.detected).sum(),
            detection: sum(|one| one.detection),
            seconds: sum(|one| one.seconds),
            requests: sum(|one| one.requests),
            attempts: sum(|one| one.attempts),
            told_late: sum(|one| one.told_late),
            last_failure: all.iter().map(|one| one.last_failure).fold(0.0, f64::max),
        }
    }

    /// Seconds until it was detected, on average; `None` if it never was.
    pub(crate) fn mean_detection(&self) -> Option<f64> {
        (self.detected > 0).then(|| self.detection / f64::from(self.detected))
    }
}

fn outage(record: &Record, from: Duration, healed: Duration) -> OutageFigures {
    let Record { exchanges, counts } = record;
    let last_failure = exchanges
        .iter()
        .filter(|e| e.sent >= healed && e.end != End::Well)
        .map(|e| e.sent.saturating_sub(healed).as_secs_f64())
        .fold(0.0, f64::max);
    let shut = exchanges.iter().filter(|e| matches!(e.end, End::Rejected(r) if r.shut)).map(|e| e.ended);
    let Some(detected) = shut.filter(|&at| from <= at && at < healed).min() else {
        return OutageFigures { last_failure, ..OutageFigures::default() };
    };
    let after = |at: Duration| detected <= at && at < healed;
    let came: Vec<_> = exchanges.iter().filter(|e| after(e.sent)).collect();
    OutageFigures {
        detected: 1,
        detection: detected.saturating_sub(from).as_secs_f64(),
        seconds: healed.saturating_sub(detected).as_secs_f64(),
        requests: count(came.len()),
        attempts: count(counts.attempts.iter().filter(|&&at| after(at)).count()),
        told_late: count(came.iter().filter(|e| e.end != End::Well && e.took() > AT_ONCE).count()),
        last_failure,
    }
}

fn most_waiting(exchanges: &[Exchange]) -> usize {
    // At the same moment, those that end go first: who was told at once never waited.
    let mut events: Vec<_> =
        exchanges.iter().filter(|e| e.ended > e.sent).flat_map(|e| [(e.sent, 1_isize), (e.ended, -1)]).collect();
    events.sort_unstable();
    let (mut waiting, mut most) = (0, 0);
    for (_, change) in events {
        waiting += change;
        most = most.max(waiting);
    }
    most.unsigned_abs()
}

#[allow(clippy::cast_precision_loss, reason = "a run has far fewer than 2^53 of anything")]
pub(crate) const fn count(things: usize) -> f64 {
    things as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Rejected;
    use crate::scenario;
    use crate::upstream::Counts;

    fn exchange(sent: u64, ended: u64, end: End) -> Exchange {
        let seconds = Duration::from_secs;
        Exchange { sent: seconds(sent), ended: seconds(ended), end, repeatable: true }
    }

    #[test]
    fn waiting_is_counted_where_it_overlaps() {
        let well = |sent, ended| exchange(sent, ended, End::Well);
        assert_eq!(most_waiting(&[well(0, 2), well(1, 3), well(2, 4), well(5, 5)]), 2);
    }

    #[test]
    fn an_outage_is_measured_from_the_first_rejection_to_the_healing() {
        let scenario = scenario::all().into_iter().find(|s| s.outage.is_some()).expect("one has an outage");
        let (from, length) = scenario.outage.unwrap();
        let at = from.as_secs();
        let healed = at + length.as_secs().max(1);
        let record = Record {
            exchanges: vec![
                exchange(at, at, End::Failed),
                exchange(healed + 1, healed + 1, End::Rejected(Rejected { would_answer: 1.0, shut: true })),
                exchange(healed + 3, healed + 3, End::Well),
            ],
            counts: Counts::default(),
        };
        let figures = Figures::of(&scenario, &record);
        let outage = figures.outage.unwrap();
        assert_eq!(outage.detected, 0, "what is rejected after the healing detects nothing");
        assert!((outage.last_failure - 1.0).abs() < 0.6, "{outage:?}");
        assert_eq!((figures.falsely, figures.rejected, figures.well), (1.0, 1.0, 1.0));
    }
}
