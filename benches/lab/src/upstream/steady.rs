use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::SmallRng;

use super::model::{Attempt, Model, Step};

/// Answers everything well: within half and one and a half times its mean latency, or always in the same time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Steady {
    mean: Duration,
    spread: f64,
}

impl Steady {
    pub(crate) const fn new(mean: Duration) -> Self {
        Self { mean, spread: 0.5 }
    }

    pub(crate) const fn exactly(latency: Duration) -> Self {
        Self { mean: latency, spread: 0.0 }
    }

    pub(super) fn draw(self, rng: &mut SmallRng) -> Duration {
        self.mean.mul_f64(1.0 + rng.random_range(-1.0..1.0) * self.spread)
    }
}

impl Model for Steady {
    fn arrive(&mut self, _: Attempt, _: Duration, rng: &mut SmallRng) -> Step {
        Step::well(self.draw(rng))
    }

    fn would_answer(&self, _: u64, _: Duration) -> f64 {
        1.0
    }
}
