//! What a budget knows of the last ten seconds. No lock and no clock: the moment is an argument, as the number of a bucket.
//!
//! Time is cut into buckets of half a second. Ten seconds that end now begin somewhere within a bucket. Its retries are
//! counted and its requests are not: whichever of them lie within the ten seconds, the sum that results is never too
//! generous.

use std::time::Duration;

/// How many buckets the ten seconds are cut into.
const BUCKETS: usize = 20;
/// How long a bucket lasts: what is forgotten too early, or kept too long, is at most that.
const WIDTH: Duration = Duration::from_millis(500);
/// All buckets that lie within the last ten seconds, and the one that does in part.
const SLOTS: usize = BUCKETS + 1;

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    bucket: u64,
    requests: u32,
    retries: u32,
}

/// The requests and retries of the last ten seconds, and how many retries were refused.
#[derive(Debug)]
pub(super) struct Ledger {
    slots: [Slot; SLOTS],
    current: u64,
    refused: u64,
}

/// The bucket that lies this long after the first one began.
pub(super) fn bucket_at(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_nanos() / WIDTH.as_nanos()).unwrap_or(u64::MAX)
}

impl Ledger {
    pub(super) const fn new() -> Self {
        Self { slots: [Slot { bucket: 0, requests: 0, retries: 0 }; SLOTS], current: 0, refused: 0 }
    }

    /// Moves on to `bucket`, and says which one it is in: another thread may have come further.
    pub(super) fn advance(&mut self, bucket: u64) -> u64 {
        self.current = self.current.max(bucket);
        self.current
    }

    /// Adds requests, none of which came before `bucket` began.
    pub(super) fn add_requests(&mut self, bucket: u64, requests: u64) {
        if let Some(slot) = self.slot(bucket) {
            slot.requests = slot.requests.saturating_add(u32::try_from(requests).unwrap_or(u32::MAX));
        }
    }

    /// Pays for a retry, if all retries are then at most `ratio` times the requests, plus `floor`.
    pub(super) fn withdraw(&mut self, ratio: f64, floor: u32) -> bool {
        let paid = self.balance(ratio, floor) >= 1.0;
        if !paid {
            self.refused = self.refused.saturating_add(1);
        } else if let Some(slot) = self.slot(self.current) {
            slot.retries = slot.retries.saturating_add(1);
        }
        paid
    }

    /// How many retries could be paid for.
    pub(super) fn remaining(&self, ratio: f64, floor: u32) -> u64 {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float saturates")]
        {
            self.balance(ratio, floor) as u64
        }
    }

    pub(super) const fn refused(&self) -> u64 {
        self.refused
    }

    /// Whether a retry of the last ten seconds is remembered.
    pub(super) fn is_drawn_on(&self) -> bool {
        let is_recent = |slot: &Slot| slot.bucket.saturating_add(BUCKETS as u64) >= self.current;
        self.slots.iter().any(|slot| slot.retries > 0 && is_recent(slot))
    }

    fn balance(&self, ratio: f64, floor: u32) -> f64 {
        let (mut requests, mut retries) = (0_u64, 0_u64);
        for slot in &self.slots {
            if slot.bucket.saturating_add(BUCKETS as u64) > self.current {
                requests += u64::from(slot.requests);
            }
            if slot.bucket.saturating_add(BUCKETS as u64) >= self.current {
                retries += u64::from(slot.retries);
            }
        }
        #[allow(clippy::cast_precision_loss, reason = "far fewer than 2^53 requests in ten seconds")]
        {
            ratio * requests as f64 + f64::from(floor) - retries as f64
        }
    }

    /// Where `bucket` is kept; `None` if its place is a later one's.
    fn slot(&mut self, bucket: u64) -> Option<&mut Slot> {
        #[allow(clippy::cast_possible_truncation, reason = "below the number of slots")]
        let slot = &mut self.slots[(bucket % SLOTS as u64) as usize];
        if slot.bucket < bucket {
            *slot = Slot { bucket, ..Slot::default() };
        }
        (slot.bucket == bucket).then_some(slot)
    }
}

#[cfg(test)]
mod tests;
