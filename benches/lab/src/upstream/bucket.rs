use std::time::Duration;

use rand::rngs::SmallRng;

use super::model::{Attempt, Model, Outcome, Step};
use super::steady::Steady;

/// A rate limit: a token bucket that answers 429 when it is empty, with `Retry-After` if it is `polite`.
#[derive(Debug)]
pub(crate) struct Bucket {
    /// Tokens a second.
    rate: f64,
    /// The most tokens there can be.
    most: f64,
    tokens: f64,
    at: Duration,
    polite: bool,
    work: Steady,
}

/// A bucket holds the tokens of one second, and at least so many: traffic that comes by chance comes in clusters.
const FEWEST: f64 = 5.0;
/// Below the noise of adding fractions, above nothing that matters.
const ENOUGH: f64 = 1.0 - 1e-9;

impl Bucket {
    pub(crate) fn new(rate: f64, polite: bool, work: Steady) -> Self {
        let most = rate.max(FEWEST);
        Self { rate, most, tokens: most, at: Duration::ZERO, polite, work }
    }

    fn tokens_at(&self, now: Duration) -> f64 {
        (self.tokens + now.saturating_sub(self.at).as_secs_f64() * self.rate).min(self.most)
    }
}

impl Model for Bucket {
    fn arrive(&mut self, _: Attempt, now: Duration, rng: &mut SmallRng) -> Step {
        self.tokens = self.tokens_at(now);
        self.at = now;
        if self.tokens >= ENOUGH {
            self.tokens -= 1.0;
            return Step::well(self.work.draw(rng));
        }
        let wait = Duration::from_secs_f64((1.0 - self.tokens) / self.rate);
        Step::no(if self.polite {
            Outcome::StatusRetryAfter(429, wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
        } else {
            Outcome::Status(429)
        })
    }

    fn would_answer(&self, _: u64, now: Duration) -> f64 {
        if self.tokens_at(now) >= ENOUGH { 1.0 } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::testing::{attempt, outcome, rng};

    #[test]
    fn a_full_bucket_answers_its_burst_and_then_its_rate() {
        let mut bucket = Bucket::new(10.0, false, Steady::new(Duration::from_millis(20)));
        let mut answered = Vec::new();
        for millis in (0..2000).step_by(10) {
            let step = bucket.arrive(attempt(millis), Duration::from_millis(millis), &mut rng());
            if outcome(step) == Outcome::Status(200) {
                answered.push(millis);
            }
        }
        // Ten at once, in a tenth of a second in which one more token came; then one each tenth.
        assert_eq!(answered[..11], [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
        assert_eq!(answered[11..].iter().map(|at| at % 100).collect::<Vec<_>>(), [0; 18]);
        assert_eq!(answered.len(), 29);
    }

    #[test]
    fn retry_after_rounds_the_wait_up_to_whole_seconds() {
        let mut bucket = Bucket::new(0.4, true, Steady::new(Duration::ZERO));
        let at = |seconds| Duration::from_secs_f64(seconds);
        for n in 0..5 {
            assert_eq!(outcome(bucket.arrive(attempt(n), at(0.0), &mut rng())), Outcome::Status(200));
        }
        assert_eq!(outcome(bucket.arrive(attempt(1), at(0.0), &mut rng())), Outcome::StatusRetryAfter(429, 3));
        assert_eq!(outcome(bucket.arrive(attempt(2), at(1.0), &mut rng())), Outcome::StatusRetryAfter(429, 2));
        assert_eq!(bucket.would_answer(3, at(2.4)), 0.0);
        assert_eq!(bucket.would_answer(3, at(2.5)), 1.0);
    }
}
