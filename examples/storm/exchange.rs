//! One request as its caller saw it, and what became of many of them. No clock and no socket: only sums.

use std::time::Duration;

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A good response of the server.
    Real,
    /// The response of the fallback.
    Fallback,
    /// An error, or a 5xx.
    Failed,
    /// The caller still waits.
    Waiting,
}

/// One request. `sent` is when it was due, so that every second has the requests of a second; `ended` is the last time
/// anyone looked if the caller still waits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Exchange {
    pub(crate) sent: Duration,
    pub(crate) ended: Duration,
    pub(crate) outcome: Outcome,
}

impl Exchange {
    pub(crate) fn wait(&self) -> Wait {
        Wait { time: self.ended.saturating_sub(self.sent), at_least: self.outcome == Outcome::Waiting }
    }

    pub(crate) fn is_in_flight_at(&self, time: Duration) -> bool {
        self.sent <= time && (self.ended > time || self.outcome == Outcome::Waiting)
    }
}

/// How long it took, or, while the caller still waits, how long it has waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wait {
    pub(crate) time: Duration,
    pub(crate) at_least: bool,
}

/// The wait of which `percent` of the exchanges are no longer; `None` if there are no exchanges.
pub(crate) fn percentile<'a>(exchanges: impl Iterator<Item = &'a Exchange>, percent: usize) -> Option<Wait> {
    let mut waits: Vec<_> = exchanges.map(Exchange::wait).collect();
    waits.sort_unstable_by_key(|wait| wait.time);
    let last = waits.len().checked_sub(1)?;
    Some(waits[last * percent / 100])
}

/// How many requests had which outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) real: usize,
    pub(crate) fallback: usize,
    pub(crate) failed: usize,
    pub(crate) waiting: usize,
}

impl Tally {
    pub(crate) fn of<'a>(exchanges: impl IntoIterator<Item = &'a Exchange>) -> Self {
        exchanges.into_iter().fold(Self::default(), |mut tally, exchange| {
            match exchange.outcome {
                Outcome::Real => tally.real += 1,
                Outcome::Fallback => tally.fallback += 1,
                Outcome::Failed => tally.failed += 1,
                Outcome::Waiting => tally.waiting += 1,
            }
            tally
        })
    }

    /// Every request has exactly one outcome.
    pub(crate) const fn sent(&self) -> usize {
        self.real + self.fallback + self.failed + self.waiting
    }
}

/// Sorts things into `count` slots of `width` by their time. What comes after the last slot belongs to it: calls
/// reach the server until after the script, and none may be missing from the sums.
pub(crate) fn slots<T>(
    things: impl IntoIterator<Item = T>,
    at: impl Fn(&T) -> Duration,
    width: Duration,
    count: usize,
) -> Vec<Vec<T>> {
    let mut slots: Vec<Vec<T>> = (0..count).map(|_| Vec::new()).collect();
    for thing in things {
        let slot = usize::try_from(at(&thing).as_nanos() / width.as_nanos()).unwrap_or(usize::MAX);
        slots[slot.min(count - 1)].push(thing);
    }
    slots
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn exchange(sent: u64, took: u64, outcome: Outcome) -> Exchange {
        let sent = Duration::from_millis(sent);
        Exchange { sent, ended: sent + Duration::from_millis(took), outcome }
    }

    fn any_exchange() -> impl Strategy<Value = Exchange> {
        let outcome =
            prop_oneof![Just(Outcome::Real), Just(Outcome::Fallback), Just(Outcome::Failed), Just(Outcome::Waiting)];
        (0..6_000_u64, 0..3_000_u64, outcome).prop_map(|(sent, took, outcome)| exchange(sent, took, outcome))
    }

    #[test]
    fn a_request_counts_in_the_second_in_which_it_was_sent_whenever_it_ended() {
        let exchanges = [exchange(999, 5_000, Outcome::Failed), exchange(1_000, 1, Outcome::Real)];
        let seconds = slots(&exchanges, |e| e.sent, SECOND, 3);
        let tallies: Vec<_> = seconds.into_iter().map(Tally::of).collect();
        let (failed, real) = (Tally { failed: 1, ..Tally::default() }, Tally { real: 1, ..Tally::default() });
        assert_eq!(tallies, [failed, real, Tally::default()]);
    }

    #[test]
    fn what_is_sent_after_the_end_counts_in_the_last_second() {
        let seconds = slots([exchange(3_001, 1, Outcome::Real)], |e| e.sent, SECOND, 3);
        assert_eq!(seconds.iter().map(Vec::len).collect::<Vec<_>>(), [0, 0, 1]);
    }

    #[test]
    fn a_percentile_of_nothing_is_nothing_and_the_hundredth_is_the_longest() {
        assert_eq!(percentile([].iter(), 50), None);
        let exchanges: Vec<_> = (1..=101).rev().map(|took| exchange(0, took, Outcome::Real)).collect();
        let at = |percent| percentile(exchanges.iter(), percent).map(|wait| wait.time.as_millis());
        assert_eq!((at(0), at(50), at(99), at(100)), (Some(1), Some(51), Some(100), Some(101)));
    }

    #[test]
    fn a_wait_that_has_not_ended_is_a_lower_bound() {
        assert_eq!(exchange(0, 9_000, Outcome::Waiting).wait(), Wait { time: SECOND * 9, at_least: true });
        assert_eq!(exchange(0, 9_000, Outcome::Failed).wait(), Wait { time: SECOND * 9, at_least: false });
    }

    #[test]
    fn who_still_waits_is_in_flight_at_any_time_after_it_was_sent() {
        let waiting = exchange(1_000, 1_000, Outcome::Waiting);
        let ended = exchange(1_000, 1_000, Outcome::Real);
        let at = |time| (waiting.is_in_flight_at(SECOND * time), ended.is_in_flight_at(SECOND * time));
        assert_eq!([at(0), at(1), at(2), at(3)], [(false, false), (true, true), (true, false), (true, false)]);
    }

    proptest! {
        /// The model looks at every request again for every second and outcome.
        #[test]
        fn the_seconds_add_up_to_the_whole(exchanges in prop::collection::vec(any_exchange(), 0..200)) {
            let seconds = slots(&exchanges, |e| e.sent, SECOND, 5);
            let tallies: Vec<_> = seconds.iter().map(|sent| Tally::of(sent.iter().copied())).collect();
            for (second, tally) in (0_u64..).zip(&tallies) {
                let sent = |e: &&Exchange| e.sent.as_secs().min(4) == second;
                let count = |outcome| exchanges.iter().filter(sent).filter(|e| e.outcome == outcome).count();
                prop_assert_eq!(tally.real, count(Outcome::Real));
                prop_assert_eq!(tally.fallback, count(Outcome::Fallback));
                prop_assert_eq!(tally.failed, count(Outcome::Failed));
                prop_assert_eq!(tally.waiting, count(Outcome::Waiting));
                prop_assert_eq!(tally.sent(), exchanges.iter().filter(sent).count());
            }
            prop_assert_eq!(tallies.iter().map(Tally::sent).sum::<usize>(), exchanges.len());
        }
    }
}
