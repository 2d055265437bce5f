//! What becomes of a request, drawn by a seed: the same request of the same run always meets the same fate.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

use super::books::Outcome;

/// What becomes of a request to charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Well,
    /// Charged, and the response takes this long.
    Slow(Duration),
    Declined,
    /// Busy: refused before anything was done, and it says so.
    Busy,
    /// 500, and nothing was done.
    Failed,
    /// 500, and it was charged all the same.
    FailedAfterwards,
    /// Charged, and the connection breaks.
    AnswerLost,
    /// The connection breaks, and nothing was done.
    RequestLost,
    /// The connection breaks, and it is charged later.
    ArrivesLate(Duration),
    /// Charged, and no response ever comes.
    Hangs,
    /// Accepted; it ends later, with a callback.
    Processing(Duration, Outcome),
    /// Charged, with two callbacks.
    CalledBackTwice,
    /// Charged; the callback comes before the response.
    CalledBackFirst(Duration),
    /// Charged, with a 200 that nobody can read.
    Unreadable,
}

/// How rough a provider is.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    /// The share of requests to charge that meet one of the faults.
    pub fault_ratio: f64,
    /// The share of questions and voids that fail.
    pub question_fault_ratio: f64,
}

impl Weather {
    pub const CALM: Self = Self { fault_ratio: 0.0, question_fault_ratio: 0.0 };
    pub const ROUGH: Self = Self { fault_ratio: 0.35, question_fault_ratio: 0.15 };

    /// The fate of the `nth` request to charge under `key`.
    pub fn fate(&self, seed: u64, key: &str, nth: u32) -> Fate {
        let mut rng = dice(seed, key, nth, 0);
        if !rng.random_bool(self.fault_ratio) {
            return Fate::Well;
        }
        let mut millis = |range: std::ops::Range<u64>| Duration::from_millis(rng.random_range(range));
        let (short, long, late) = (millis(20..700), millis(500..4_000), millis(50..2_000));
        match rng.random_range(0..15) {
            0 => Fate::Slow(short),
            1 => Fate::Slow(long),
            2 => Fate::Declined,
            3 => Fate::Busy,
            4 => Fate::Failed,
            5 => Fate::FailedAfterwards,
            6 | 7 => Fate::AnswerLost,
            8 => Fate::RequestLost,
            9 => Fate::ArrivesLate(if rng.random_bool(0.5) { late } else { long }),
            10 => Fate::Hangs,
            11 => {
                let outcome = if rng.random_bool(0.7) { Outcome::Charged } else { Outcome::Declined };
                Fate::Processing(long, outcome)
            }
            12 => Fate::CalledBackTwice,
            13 => Fate::CalledBackFirst(short),
            _ => Fate::Unreadable,
        }
    }

    /// How long the `nth` question or void of `key` takes; and whether it fails, and if so, whether it is done all the same.
    pub fn question(&self, seed: u64, key: &str, nth: u32) -> (Duration, Option<bool>) {
        let mut rng = dice(seed, key, nth, 1);
        let is_slow = rng.random_bool(self.question_fault_ratio);
        let wait = Duration::from_millis(if is_slow { rng.random_range(50..600) } else { 0 });
        (wait, rng.random_bool(self.question_fault_ratio).then(|| rng.random_bool(0.5)))
    }
}

fn dice(seed: u64, key: &str, nth: u32, kind: u8) -> SmallRng {
    let mut hasher = DefaultHasher::new();
    (seed, key, nth, kind).hash(&mut hasher);
    SmallRng::seed_from_u64(hasher.finish())
}
