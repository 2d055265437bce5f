use std::time::Duration;

use rand::rngs::SmallRng;

use super::model::{Attempt, Model, Outcome, Step};
use super::steady::Steady;

/// One shard of ten is dead: its requests get a 502, or no response at all if it `hangs`.
#[derive(Debug)]
pub(crate) struct Shard {
    hangs: bool,
    work: Steady,
}

const SHARDS: u64 = 10;

impl Shard {
    pub(crate) const fn new(hangs: bool, work: Steady) -> Self {
        Self { hangs, work }
    }

    const fn is_dead(request: u64) -> bool {
        request % SHARDS == 0
    }
}

impl Model for Shard {
    fn arrive(&mut self, attempt: Attempt, _: Duration, rng: &mut SmallRng) -> Step {
        match (Self::is_dead(attempt.request), self.hangs) {
            (false, _) => Step::well(self.work.draw(rng)),
            (true, true) => Step::Hang,
            (true, false) => Step::no(Outcome::Status(502)),
        }
    }

    fn would_answer(&self, request: u64, _: Duration) -> f64 {
        if Self::is_dead(request) { 0.0 } else { 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::testing::{attempt, outcome, rng};

    #[test]
    fn one_request_in_ten_is_never_answered_well() {
        let mut shard = Shard::new(false, Steady::new(Duration::ZERO));
        let well = (0..100)
            .filter(|&n| outcome(shard.arrive(attempt(n), Duration::ZERO, &mut rng())) == Outcome::Status(200))
            .count();
        assert_eq!(well, 90);
        assert_eq!([shard.would_answer(10, Duration::ZERO), shard.would_answer(11, Duration::ZERO)], [0.0, 1.0]);
    }
}
