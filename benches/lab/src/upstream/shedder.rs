use std::collections::VecDeque;
use std::time::Duration;

use rand::rngs::SmallRng;

use super::model::{Attempt, Model, Outcome, Step};

/// A load shedder: `workers` that take `work` for each request, a queue in front of them, 503 when that is full.
///
/// It does not notice that a client has gone, and does the work all the same.
#[derive(Debug)]
pub(crate) struct Shedder {
    /// When each worker is free.
    free: Vec<Duration>,
    /// When each of those in the queue will be begun, in order.
    queue: VecDeque<Duration>,
    queue_limit: usize,
    work: Duration,
}

impl Shedder {
    pub(crate) fn new(workers: usize, queue_limit: usize, work: Duration) -> Self {
        Self { free: vec![Duration::ZERO; workers], queue: VecDeque::new(), queue_limit, work }
    }

    fn waiting(&self, now: Duration) -> usize {
        self.queue.iter().filter(|&&begins| begins > now).count()
    }
}

impl Model for Shedder {
    fn arrive(&mut self, _: Attempt, now: Duration, _: &mut SmallRng) -> Step {
        while self.queue.front().is_some_and(|&begins| begins <= now) {
            self.queue.pop_front();
        }
        let worker = self.free.iter_mut().min().expect("there is a worker");
        let begins = now.max(*worker);
        if begins > now {
            if self.queue.len() >= self.queue_limit {
                return Step::no(Outcome::Status(503));
            }
            self.queue.push_back(begins);
        }
        *worker = begins + self.work;
        Step::well(worker.saturating_sub(now))
    }

    fn would_answer(&self, _: u64, now: Duration) -> f64 {
        let room = self.free.iter().any(|&free| free <= now) || self.waiting(now) < self.queue_limit;
        if room { 1.0 } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::testing::{attempt, outcome, rng};

    #[test]
    fn the_queue_is_served_in_order_and_bounded() {
        let millis = Duration::from_millis;
        let mut shedder = Shedder::new(2, 2, millis(100));
        let mut after = |now| match shedder.arrive(attempt(0), millis(now), &mut rng()) {
            step @ Step::Reply { after, .. } => (outcome(step) == Outcome::Status(200)).then_some(after.as_millis()),
            _ => None,
        };
        assert_eq!(
            [after(0), after(0), after(10), after(20), after(30)],
            [Some(100), Some(100), Some(190), Some(180), None]
        );
        // Two were begun at 100; both are at work, and the queue is empty.
        assert_eq!([after(100), after(101), after(102)], [Some(200), Some(199), None]);
    }
}
