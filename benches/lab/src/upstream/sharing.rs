use std::collections::HashMap;
use std::time::Duration;

use rand::rngs::SmallRng;

use super::model::{Attempt, Model, Step};

/// Latency past a knee: processor sharing. Up to `cores` requests run at full speed; beyond that all share it alike.
///
/// What each request has been given so far is one number for all, the *served* time: it grows with the clock while there
/// are cores for all, and by `cores / requests` of it otherwise. A request is done when it has grown by `work`.
#[derive(Debug)]
pub(crate) struct Sharing {
    cores: f64,
    work: f64,
    served: f64,
    at: Duration,
    /// For each request at work, the served time at which it is done.
    jobs: HashMap<u64, f64>,
}

/// Half of the clock's grain.
const DONE: f64 = 0.0005;

impl Sharing {
    pub(crate) fn new(cores: u32, work: Duration) -> Self {
        Self {
            cores: f64::from(cores),
            work: work.as_secs_f64(),
            served: 0.0,
            at: Duration::ZERO,
            jobs: HashMap::new(),
        }
    }

    fn advance(&mut self, now: Duration) {
        #[allow(clippy::cast_precision_loss, reason = "far fewer than 2^53 requests")]
        let share = (self.cores / self.jobs.len() as f64).min(1.0);
        self.served += now.saturating_sub(self.at).as_secs_f64() * share;
        self.at = now;
    }
}

impl Model for Sharing {
    fn arrive(&mut self, attempt: Attempt, now: Duration, _: &mut SmallRng) -> Step {
        self.advance(now);
        self.jobs.insert(attempt.ticket, self.served + self.work);
        Step::Look { after: Duration::from_secs_f64(self.work) }
    }

    fn look(&mut self, attempt: Attempt, now: Duration, _: &mut SmallRng) -> Step {
        self.advance(now);
        let left = self.jobs.get(&attempt.ticket).map_or(0.0, |end| end - self.served);
        if left <= DONE {
            self.jobs.remove(&attempt.ticket);
            return Step::well(Duration::ZERO);
        }
        // It cannot be done sooner than at full speed.
        Step::Look { after: Duration::from_secs_f64(left) }
    }

    fn leave(&mut self, attempt: Attempt, now: Duration) {
        self.advance(now);
        self.jobs.remove(&attempt.ticket);
    }

    fn would_answer(&self, _: u64, _: Duration) -> f64 {
        1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::testing::{attempt, rng};

    /// Looks at one job until it is done, and tells when that was.
    fn ends(sharing: &mut Sharing, n: u64, mut now: Duration) -> u128 {
        loop {
            match sharing.look(attempt(n), now, &mut rng()) {
                Step::Look { after } => now += after.max(Duration::from_millis(1)),
                _ => return now.as_millis(),
            }
        }
    }

    #[test]
    fn four_on_two_cores_take_twice_as_long() {
        let mut sharing = Sharing::new(2, Duration::from_millis(100));
        for n in 0..4 {
            sharing.arrive(attempt(n), Duration::ZERO, &mut rng());
        }
        let end = ends(&mut sharing, 0, Duration::from_millis(100));
        assert!((199..=201).contains(&end), "{end}");
    }

    #[test]
    fn below_the_knee_nobody_waits_and_one_that_left_gives_its_share_back() {
        let mut sharing = Sharing::new(2, Duration::from_millis(100));
        for n in 0..4 {
            sharing.arrive(attempt(n), Duration::ZERO, &mut rng());
        }
        // Each has had 25 ms of its 100 when two of them go; the rest run at full speed.
        sharing.leave(attempt(2), Duration::from_millis(50));
        sharing.leave(attempt(3), Duration::from_millis(50));
        let end = ends(&mut sharing, 0, Duration::from_millis(50));
        assert!((124..=126).contains(&end), "{end}");
    }
}
