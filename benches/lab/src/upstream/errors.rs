use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::SmallRng;

use super::fault::Fault;
use super::model::{Attempt, Model, Outcome, Reply, Step};
use super::steady::Steady;

/// A share of the attempts fails, each by itself. Half of those that fail were acted on first.
#[derive(Debug)]
pub(crate) struct Errors {
    ratio: f64,
    outcome: Outcome,
    work: Steady,
}

impl Errors {
    /// The connection is reset.
    pub(crate) const fn resets(ratio: f64, work: Steady) -> Self {
        Self { ratio, outcome: Outcome::Fault(Fault::Reset), work }
    }

    /// The response is a 500.
    pub(crate) const fn statuses(ratio: f64, work: Steady) -> Self {
        Self { ratio, outcome: Outcome::Status(500), work }
    }
}

impl Model for Errors {
    fn arrive(&mut self, _: Attempt, _: Duration, rng: &mut SmallRng) -> Step {
        let after = self.work.draw(rng);
        if rng.random_bool(self.ratio) {
            return Step::Reply { after, reply: Reply { outcome: self.outcome, applied: rng.random_bool(0.5) } };
        }
        Step::well(after)
    }

    fn would_answer(&self, _: u64, _: Duration) -> f64 {
        1.0 - self.ratio
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::testing::{attempt, rng};

    #[test]
    fn the_ratio_fails_and_half_of_that_was_acted_on() {
        let mut errors = Errors::resets(0.2, Steady::new(Duration::from_millis(20)));
        let mut rng = rng();
        let (mut failed, mut applied) = (0, 0);
        for n in 0..10_000 {
            let Step::Reply { reply, .. } = errors.arrive(attempt(n), Duration::ZERO, &mut rng) else { continue };
            if reply.outcome != Outcome::Status(200) {
                failed += 1;
                applied += i32::from(reply.applied);
            }
        }
        assert!((1850..2150).contains(&failed), "{failed}");
        assert!((850..1150).contains(&applied), "{applied}");
    }
}
