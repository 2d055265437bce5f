//! How much is rejected: a window of what was accepted, and the formula. No lock, no clock, no chance.

use tokio::time::Instant;

use crate::window::{Outcome, Tally, TimeWindow};

/// The numbers, checked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbers {
    pub(super) k: f64,
    pub(super) max_reject_ratio: f64,
    pub(super) minimum_calls: u64,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Accepted,
    /// By the upstream, or by us: both are requests that were not accepted.
    Rejected,
}

#[derive(Debug)]
pub(super) struct Core {
    window: TimeWindow,
    numbers: Numbers,
}

impl Core {
    pub(super) const fn new(window: TimeWindow, numbers: Numbers) -> Self {
        Self { window, numbers }
    }

    /// Counts a request that has ended. Returns with which probability the next one is rejected.
    pub(super) fn record(&mut self, ending: Ending, now: Instant) -> f64 {
        let outcome = if ending == Ending::Accepted { Outcome::SUCCESS } else { Outcome::FAILURE };
        let tally = self.window.record(outcome, now);
        self.numbers.reject_ratio(tally)
    }

    /// With which probability a request at `now` is rejected.
    pub(super) fn reject_ratio(&mut self, now: Instant) -> f64 {
        let tally = self.window.tally(now);
        self.numbers.reject_ratio(tally)
    }

    /// The requests in the window; those that were not accepted are its failures.
    pub(super) fn tally(&mut self, now: Instant) -> Tally {
        self.window.tally(now)
    }

    pub(super) fn clear(&mut self) {
        self.window.clear();
    }

    /// Another one by the same numbers that has counted nothing.
    pub(super) fn blank(&self) -> Self {
        let mut window = self.window.clone();
        window.clear();
        Self { window, numbers: self.numbers }
    }
}

impl Numbers {
    #[allow(clippy::cast_precision_loss, reason = "a window holds far fewer than 2^53 requests")]
    fn reject_ratio(&self, tally: Tally) -> f64 {
        if tally.calls < self.minimum_calls {
            return 0.0;
        }
        let (requests, accepted) = (tally.calls as f64, (tally.calls - tally.failures) as f64);
        ((requests - self.k * accepted) / (requests + 1.0)).clamp(0.0, self.max_reject_ratio)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const NUMBERS: Numbers = Numbers { k: 2.0, max_reject_ratio: 0.9, minimum_calls: 10 };

    fn core() -> Core {
        Core::new(TimeWindow::last(Duration::from_secs(10), 10).unwrap(), NUMBERS)
    }

    proptest! {
        /// Against a list of all requests, counted anew each time.
        #[test]
        fn it_agrees_with_a_list_of_requests(steps in prop::collection::vec((any::<bool>(), 0_u64..1_500), 0..300)) {
            let start = Instant::now();
            let mut core = core();
            let (mut list, mut millis) = (Vec::new(), 0);
            // The first moment that the window sees is where its buckets begin.
            core.reject_ratio(start);
            for (accepted, pause) in steps {
                millis += pause;
                let now = start + Duration::from_millis(millis);
                let ending = if accepted { Ending::Accepted } else { Ending::Rejected };
                let ratio = core.record(ending, now);
                list.push((millis / 1_000, accepted));
                let current = millis / 1_000;
                let in_window: Vec<_> = list.iter().filter(|(second, _)| second + 10 > current).collect();
                let requests = in_window.len();
                let accepts = in_window.iter().filter(|(_, accepted)| *accepted).count();
                let expected = if requests < 10 {
                    0.0
                } else {
                    ((requests as f64 - 2.0 * accepts as f64) / (requests as f64 + 1.0)).clamp(0.0, 0.9)
                };
                prop_assert!((ratio - expected).abs() < 1e-12, "{ratio} {expected}");
                prop_assert_eq!(core.reject_ratio(now), ratio);
                let tally = core.tally(now);
                prop_assert_eq!((tally.calls, tally.failures), (requests as u64, (requests - accepts) as u64));
            }
        }
    }

    #[test]
    fn half_of_the_requests_accepted_is_enough() {
        let (mut core, now) = (core(), Instant::now());
        for n in 0..1_000 {
            let ending = if n % 2 == 0 { Ending::Accepted } else { Ending::Rejected };
            assert!(core.record(ending, now) < 1e-9, "{n}");
        }
        assert!(core.record(Ending::Rejected, now) > 0.0);
    }

    #[test]
    fn it_is_back_once_the_window_has_passed() {
        let (mut core, now) = (core(), Instant::now());
        for _ in 0..100 {
            core.record(Ending::Rejected, now);
        }
        assert!((core.reject_ratio(now) - 0.9).abs() < 1e-9);
        assert!((core.reject_ratio(now + Duration::from_secs(10))).abs() < 1e-9);
    }
}
