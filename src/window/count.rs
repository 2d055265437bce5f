use super::outcome::{Outcome, Tally};
use crate::config::{InvalidConfig, check_count};

/// Calls whose two bits share a word: 32 for `failed` in its lower half, 32 for `slow` in its upper half.
const CALLS_PER_WORD: u32 = 32;

/// The last `n` calls, exactly: the call before them slides out as a new one comes in.
///
/// A ring of two bits a call with running totals. Recording is O(1) whatever `n` is, and allocates nothing;
/// 100 calls take 32 bytes.
///
/// For steady traffic. Where traffic comes in bursts, or may stop for hours, see [`TimeWindow`](super::TimeWindow).
#[derive(Debug, Clone)]
pub struct CountWindow {
    ring: Box<[u64]>,
    capacity: u32,
    /// Where the next call goes, which is where the oldest one is once the ring is full.
    next: u32,
    calls: u32,
    failures: u32,
    slow: u32,
}

impl CountWindow {
    /// The most calls a window can hold: 65,536 (16 KiB), few enough to be cleared in a moment.
    pub const MAX_CALLS: usize = 65_536;

    /// A window over the last `calls` calls.
    ///
    /// # Errors
    ///
    /// If `calls` is zero or above [`MAX_CALLS`](Self::MAX_CALLS).
    pub fn last(calls: usize) -> Result<Self, InvalidConfig> {
        check_count("count_window", calls, Self::MAX_CALLS)?;
        Ok(Self {
            ring: vec![0; calls.div_ceil(CALLS_PER_WORD as usize)].into(),
            capacity: u32::try_from(calls).unwrap_or(u32::MAX),
            next: 0,
            calls: 0,
            failures: 0,
            slow: 0,
        })
    }

    /// Adds a call, lets the oldest one go if the window is full, and returns what the window now holds.
    #[inline]
    pub fn record(&mut self, outcome: Outcome) -> Tally {
        let bit = self.next % CALLS_PER_WORD;
        let word = &mut self.ring[(self.next / CALLS_PER_WORD) as usize];
        // A place that was never written holds zeros, so there is no need to ask whether the ring is full.
        let oldest = *word >> bit;
        self.failures -= (oldest & 1) as u32;
        self.slow -= (oldest >> CALLS_PER_WORD & 1) as u32;

        let new = u64::from(outcome.failed) | u64::from(outcome.slow) << CALLS_PER_WORD;
        *word = *word & !((1 | 1 << CALLS_PER_WORD) << bit) | new << bit;
        self.failures += u32::from(outcome.failed);
        self.slow += u32::from(outcome.slow);

        self.calls += u32::from(self.calls < self.capacity);
        self.next = if self.next + 1 == self.capacity { 0 } else { self.next + 1 };
        self.tally()
    }

    /// What the window holds.
    #[inline]
    #[must_use]
    pub fn tally(&self) -> Tally {
        Tally { calls: self.calls.into(), failures: self.failures.into(), slow: self.slow.into() }
    }

    /// How many calls the window looks back over.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity as usize
    }

    /// Whether the window is full of calls that neither failed nor were slow. A further one then changes nothing.
    #[inline]
    #[must_use]
    pub fn is_all_success(&self) -> bool {
        self.calls == self.capacity && self.failures == 0 && self.slow == 0
    }

    /// Makes it a window over the last `calls` calls, and keeps as many of them as there is room for.
    ///
    /// # Errors
    ///
    /// If `calls` is zero or above [`MAX_CALLS`](Self::MAX_CALLS).
    pub fn resize(&mut self, calls: usize) -> Result<(), InvalidConfig> {
        self.copy_into(Self::last(calls)?);
        Ok(())
    }

    /// Takes the place of `new`, an empty window, and keeps as many calls as that has room for.
    pub(crate) fn copy_into(&mut self, mut new: Self) {
        if new.capacity != self.capacity {
            let kept = self.calls.min(new.capacity);
            let first = self.next + self.capacity - kept;
            for place in first..first + kept {
                new.record(self.at(place % self.capacity));
            }
            *self = new;
        }
    }

    fn at(&self, place: u32) -> Outcome {
        let bits = self.ring[(place / CALLS_PER_WORD) as usize] >> (place % CALLS_PER_WORD);
        Outcome { failed: bits & 1 != 0, slow: bits >> CALLS_PER_WORD & 1 != 0 }
    }

    /// Forgets all calls.
    pub fn clear(&mut self) {
        self.ring.fill(0);
        (self.next, self.calls, self.failures, self.slow) = (0, 0, 0, 0);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    /// Keeps the outcomes in a list and counts them anew each time.
    struct Model {
        calls: VecDeque<Outcome>,
        capacity: usize,
    }

    impl Model {
        fn record(&mut self, outcome: Outcome) {
            self.calls.push_back(outcome);
            if self.calls.len() > self.capacity {
                self.calls.pop_front();
            }
        }

        fn tally(&self) -> Tally {
            let count = |which: fn(&Outcome) -> bool| self.calls.iter().filter(|call| which(call)).count() as u64;
            Tally { calls: count(|_| true), failures: count(|call| call.failed), slow: count(|call| call.slow) }
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Record(Outcome),
        Resize(usize),
        Clear,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            200 => (any::<bool>(), any::<bool>()).prop_map(|(failed, slow)| Step::Record(Outcome { failed, slow })),
            100 => Just(Step::Record(Outcome::SUCCESS)),
            2 => (1_usize..150).prop_map(Step::Resize),
            1 => Just(Step::Clear),
        ]
    }

    proptest! {
        #[test]
        fn agrees_with_a_list_of_outcomes_step_by_step(
            capacity in 1_usize..150,
            steps in prop::collection::vec(step(), 0..600),
        ) {
            let mut window = CountWindow::last(capacity).unwrap();
            let mut model = Model { calls: VecDeque::new(), capacity };
            for step in steps {
                match step {
                    Step::Record(outcome) => {
                        model.record(outcome);
                        prop_assert_eq!(window.record(outcome), model.tally());
                    }
                    Step::Resize(capacity) => {
                        window.resize(capacity).unwrap();
                        model.capacity = capacity;
                        model.calls.drain(..model.calls.len().saturating_sub(capacity));
                    }
                    Step::Clear => {
                        window.clear();
                        model.calls.clear();
                    }
                }
                prop_assert_eq!(window.tally(), model.tally());
                let all_success = model.calls.len() == model.capacity
                    && model.calls.iter().all(|&outcome| outcome == Outcome::SUCCESS);
                prop_assert_eq!(window.is_all_success(), all_success);
            }
        }
    }

    #[test]
    fn a_thousand_successes_do_not_dampen_ten_failures() {
        let mut window = CountWindow::last(10).unwrap();
        for _ in 0..1000 {
            window.record(Outcome::SUCCESS);
        }
        for failures in 1..=10 {
            assert_eq!(window.record(Outcome::FAILURE), Tally { calls: 10, failures, slow: 0 });
        }
    }

    #[test]
    fn a_window_of_no_calls_or_too_many_is_an_error() {
        assert!(CountWindow::last(CountWindow::MAX_CALLS).is_ok());
        assert_eq!(CountWindow::last(0).unwrap_err().to_string(), "`count_window` is 0; it must be from 1 to 65536");
        for calls in [CountWindow::MAX_CALLS + 1, usize::MAX] {
            assert_eq!(CountWindow::last(calls).unwrap_err().value(), calls.to_string());
        }
    }

    #[test]
    fn a_hundred_calls_take_32_bytes() {
        assert_eq!(size_of_val(&*CountWindow::last(100).unwrap().ring), 32);
        assert_eq!(CountWindow::last(100).unwrap().capacity(), 100);
    }
}
