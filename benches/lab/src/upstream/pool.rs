use std::collections::HashSet;
use std::time::Duration;

use rand::rngs::SmallRng;

use super::fault::Fault;
use super::model::{Attempt, Model, Outcome, Step};
use super::steady::Steady;

/// The keep-alive race: every `period` the upstream closes all idle connections of the client's pool, and the client finds
/// out by using them. Nothing was done with what it sent, but it cannot know that.
///
/// The pool gives out the connection that was used last: those that came back since come first.
#[derive(Debug)]
pub(crate) struct Pool {
    period: Duration,
    /// How often the connections were closed.
    closings: u128,
    idle: usize,
    stale: usize,
    in_use: HashSet<u64>,
    work: Steady,
}

impl Pool {
    pub(crate) fn new(period: Duration, work: Steady) -> Self {
        Self { period, closings: 0, idle: 0, stale: 0, in_use: HashSet::new(), work }
    }

    fn advance(&mut self, now: Duration) {
        let closings = now.as_nanos() / self.period.as_nanos();
        if closings > self.closings {
            self.closings = closings;
            self.stale += std::mem::take(&mut self.idle);
        }
    }
}

impl Model for Pool {
    fn arrive(&mut self, attempt: Attempt, now: Duration, rng: &mut SmallRng) -> Step {
        self.advance(now);
        if self.idle > 0 {
            self.idle -= 1;
        } else if self.stale > 0 {
            self.stale -= 1;
            return Step::no(Outcome::Fault(Fault::Reset));
        }
        self.in_use.insert(attempt.ticket);
        Step::well(self.work.draw(rng))
    }

    fn leave(&mut self, attempt: Attempt, now: Duration) {
        self.advance(now);
        if self.in_use.remove(&attempt.ticket) {
            self.idle += 1;
        }
    }

    fn would_answer(&self, _: u64, _: Duration) -> f64 {
        if self.idle > 0 || self.stale == 0 { 1.0 } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::testing::{attempt, outcome, rng};

    #[test]
    fn each_stale_connection_costs_one_attempt() {
        let mut pool = Pool::new(Duration::from_secs(5), Steady::new(Duration::from_millis(20)));
        for n in 0..3 {
            pool.arrive(attempt(n), Duration::ZERO, &mut rng());
        }
        for n in 0..3 {
            pool.leave(attempt(n), Duration::from_secs(1));
        }
        let mut arrive = |n| outcome(pool.arrive(attempt(n), Duration::from_secs(6), &mut rng()));
        let (reset, well) = (Outcome::Fault(Fault::Reset), Outcome::Status(200));
        assert_eq!([arrive(3), arrive(4), arrive(5), arrive(6)], [reset, reset, reset, well]);
    }
}
