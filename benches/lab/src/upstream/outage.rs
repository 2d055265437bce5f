use std::collections::HashMap;
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::SmallRng;

use super::fault::Fault;
use super::model::{Attempt, Model, Outcome, Reply, Step};
use super::steady::Steady;

/// Down at times, and well otherwise.
#[derive(Debug)]
pub(crate) struct Outage {
    schedule: Schedule,
    down: Down,
    work: Steady,
    /// When those that a black hole swallowed were first sent, by ticket.
    swallowed: HashMap<u64, Duration>,
}

/// What it is like while it is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Down {
    /// Nobody listens.
    Refused,
    /// A 500; half of the time the work was done first.
    Status,
    /// Requests are taken, half of them are acted on, and none is answered.
    Hang,
    /// Nothing gets through. TCP sends again after 1, 3, 7, 15 and 31 s, and what gets through then is answered.
    BlackHole,
    /// 503 with a `Retry-After` that says when it is over.
    Maintenance,
    /// Nothing is taken, and the client is told so: `REFUSED_STREAM`.
    Reload,
}

/// When it is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Schedule {
    /// From then on, for so long.
    Once { from: Duration, length: Duration },
    /// At the end of each period.
    Every { period: Duration, length: Duration },
}

/// When TCP sends again what nobody acknowledged, after the first time; it gives up after the last.
const RESENDS: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(7),
    Duration::from_secs(15),
    Duration::from_secs(31),
];

impl Schedule {
    /// How long it stays down; `None` while it is up.
    pub(crate) fn left(self, now: Duration) -> Option<Duration> {
        let left = match self {
            Self::Once { from, length } => now.checked_sub(from).and_then(|into| length.checked_sub(into))?,
            Self::Every { period, length } => {
                let into = now.as_millis() % period.as_millis();
                let left = period.checked_sub(Duration::from_millis(u64::try_from(into).unwrap_or(0)))?;
                if left > length { Duration::ZERO } else { left }
            }
        };
        (!left.is_zero()).then_some(left)
    }

    /// How long it stays up; `None` if it never goes down again.
    pub(crate) fn until_down(self, now: Duration) -> Option<Duration> {
        match self {
            Self::Once { from, .. } => from.checked_sub(now),
            Self::Every { period, length } => {
                let into = Duration::from_nanos((now.as_nanos() % period.as_nanos()).try_into().ok()?);
                Some(period.saturating_sub(length).saturating_sub(into))
            }
        }
    }
}

impl Outage {
    pub(crate) fn new(schedule: Schedule, down: Down, work: Steady) -> Self {
        Self { schedule, down, work, swallowed: HashMap::new() }
    }

    fn swallow(&self, ticket: u64, now: Duration) -> Step {
        let waited = self.swallowed.get(&ticket).map_or(Duration::ZERO, |&sent| now.saturating_sub(sent));
        match RESENDS.iter().find(|&&resend| resend > waited) {
            Some(&resend) => Step::Look { after: resend.saturating_sub(waited) },
            None => Step::Hang,
        }
    }
}

impl Model for Outage {
    fn arrive(&mut self, attempt: Attempt, now: Duration, rng: &mut SmallRng) -> Step {
        let Some(left) = self.schedule.left(now) else { return Step::well(self.work.draw(rng)) };
        match self.down {
            Down::Refused => Step::no(Outcome::Fault(Fault::Refused)),
            Down::Status => {
                let reply = Reply { outcome: Outcome::Status(500), applied: rng.random_bool(0.5) };
                Step::Reply { after: self.work.draw(rng), reply }
            }
            Down::Hang if rng.random_bool(0.5) => Step::HangAfterEffect,
            Down::Hang => Step::Hang,
            Down::BlackHole => {
                self.swallowed.insert(attempt.ticket, now);
                self.swallow(attempt.ticket, now)
            }
            Down::Maintenance => {
                Step::no(Outcome::StatusRetryAfter(503, left.as_secs() + u64::from(left.subsec_nanos() > 0)))
            }
            Down::Reload => Step::no(Outcome::Fault(Fault::RefusedStream)),
        }
    }

    fn look(&mut self, attempt: Attempt, now: Duration, rng: &mut SmallRng) -> Step {
        if self.schedule.left(now).is_some() {
            self.swallow(attempt.ticket, now)
        } else {
            Step::well(self.work.draw(rng))
        }
    }

    fn leave(&mut self, attempt: Attempt, _: Duration) {
        self.swallowed.remove(&attempt.ticket);
    }

    fn would_answer(&self, _: u64, now: Duration) -> f64 {
        if self.schedule.left(now).is_some() { 0.0 } else { 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::testing::{attempt, outcome, rng};

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn an_outage_ends_to_the_millisecond() {
        let once = Schedule::Once { from: millis(100), length: millis(50) };
        let left = [99, 100, 149, 150].map(|now| once.left(millis(now)).map(|left| left.as_millis()));
        assert_eq!(left, [None, Some(50), Some(1), None]);
        let every = Schedule::Every { period: millis(1000), length: millis(300) };
        let left = [0, 699, 700, 999, 1000, 1700].map(|now| every.left(millis(now)).map(|left| left.as_millis()));
        assert_eq!(left, [None, None, Some(300), Some(1), None, Some(300)]);
    }

    #[test]
    fn the_next_outage_is_told_to_the_millisecond() {
        let once = Schedule::Once { from: millis(100), length: millis(50) };
        let until = [0, 99, 100, 101, 200].map(|now| once.until_down(millis(now)).map(|until| until.as_millis()));
        assert_eq!(until, [Some(100), Some(1), Some(0), None, None]);
        let every = Schedule::Every { period: millis(1000), length: millis(300) };
        let until = [0, 699, 700, 999, 1000].map(|now| every.until_down(millis(now)).map(|until| until.as_millis()));
        assert_eq!(until, [Some(700), Some(1), Some(0), Some(0), Some(700)]);
    }

    #[test]
    fn maintenance_says_when_it_is_over() {
        let schedule = Schedule::Once { from: Duration::ZERO, length: millis(2000) };
        let mut outage = Outage::new(schedule, Down::Maintenance, Steady::new(Duration::ZERO));
        let mut at = |now| outcome(outage.arrive(attempt(now), millis(now), &mut rng()));
        assert_eq!(at(0), Outcome::StatusRetryAfter(503, 2));
        assert_eq!(at(1500), Outcome::StatusRetryAfter(503, 1));
        assert_eq!(at(2000), Outcome::Status(200));
    }

    #[test]
    fn what_a_black_hole_swallowed_is_answered_when_tcp_sends_it_again() {
        let schedule = Schedule::Once { from: Duration::ZERO, length: millis(2000) };
        let mut outage = Outage::new(schedule, Down::BlackHole, Steady::new(Duration::ZERO));
        assert_eq!(outage.arrive(attempt(0), millis(500), &mut rng()), Step::Look { after: millis(1000) });
        assert_eq!(outage.look(attempt(0), millis(1500), &mut rng()), Step::Look { after: millis(2000) });
        assert_eq!(outcome(outage.look(attempt(0), millis(3500), &mut rng())), Outcome::Status(200));
    }
}
