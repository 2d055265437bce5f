use std::collections::HashSet;
use std::time::Duration;

use rand::rngs::SmallRng;

use super::model::{Attempt, Model, Outcome, Step};
use super::steady::Steady;

/// A connection limit: 503 to whoever comes while `limit` requests are at work. A client that goes frees its place.
#[derive(Debug)]
pub(crate) struct Connections {
    limit: usize,
    taken: HashSet<u64>,
    work: Steady,
}

impl Connections {
    pub(crate) fn new(limit: usize, work: Steady) -> Self {
        Self { limit, taken: HashSet::new(), work }
    }
}

impl Model for Connections {
    fn arrive(&mut self, attempt: Attempt, _: Duration, rng: &mut SmallRng) -> Step {
        if self.taken.len() >= self.limit {
            return Step::no(Outcome::Status(503));
        }
        self.taken.insert(attempt.ticket);
        Step::well(self.work.draw(rng))
    }

    fn leave(&mut self, attempt: Attempt, _: Duration) {
        self.taken.remove(&attempt.ticket);
    }

    fn would_answer(&self, _: u64, _: Duration) -> f64 {
        if self.taken.len() < self.limit { 1.0 } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::testing::{attempt, outcome, rng};

    #[test]
    fn one_that_was_turned_away_frees_no_place() {
        let mut limit = Connections::new(2, Steady::new(Duration::ZERO));
        let arrive = |limit: &mut Connections, n| outcome(limit.arrive(attempt(n), Duration::ZERO, &mut rng()));
        assert_eq!(arrive(&mut limit, 0), Outcome::Status(200));
        assert_eq!(arrive(&mut limit, 1), Outcome::Status(200));
        assert_eq!(arrive(&mut limit, 2), Outcome::Status(503));
        limit.leave(attempt(2), Duration::ZERO);
        assert_eq!(arrive(&mut limit, 3), Outcome::Status(503));
        limit.leave(attempt(0), Duration::ZERO);
        assert_eq!(arrive(&mut limit, 4), Outcome::Status(200));
    }
}
