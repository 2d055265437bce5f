use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::SmallRng;

use super::fault::Fault;
use super::model::{Attempt, Model, Outcome, Step};
use super::steady::Steady;

/// The keep-alive race, spread over time: now and then an attempt finds its connection closed. Half of the time the client
/// can tell that nothing was sent.
#[derive(Debug)]
pub(crate) struct Dying {
    ratio: f64,
    work: Steady,
}

impl Dying {
    pub(crate) const fn new(ratio: f64, work: Steady) -> Self {
        Self { ratio, work }
    }
}

impl Model for Dying {
    fn arrive(&mut self, _: Attempt, _: Duration, rng: &mut SmallRng) -> Step {
        if rng.random_bool(self.ratio) {
            return Step::no(Outcome::Fault(if rng.random_bool(0.5) { Fault::Reset } else { Fault::Closed }));
        }
        Step::well(self.work.draw(rng))
    }

    fn would_answer(&self, _: u64, _: Duration) -> f64 {
        1.0 - self.ratio
    }
}
