use std::time::Duration;

use tokio::time::Instant;

use super::outcome::{Outcome, Tally};
use crate::config::{InvalidConfig, check_count};

/// The calls of the last `duration`, in buckets.
///
/// The span is cut into equal buckets whose edges lie fixed on the monotonic clock. A call counts until its bucket
/// leaves the window: at least for `duration - duration / buckets`, and never longer than `duration`. Recording
/// costs the same whatever the number of calls; after idling, catching up is bounded by the number of buckets.
///
/// A `now` that is earlier than one seen before is taken as that one: time does not run backwards.
#[derive(Debug, Clone)]
pub struct TimeWindow {
    duration: Duration,
    /// A ring: the bucket of number `n` is at `n % buckets.len()`.
    buckets: Box<[Tally]>,
    totals: Tally,
    /// Where bucket 0 begins: the first `now` that was seen.
    origin: Option<Instant>,
    /// The number of the bucket that is being written, and where it is: to divide is slow.
    current: u64,
    slot: usize,
    /// Where the current bucket ends; `None` before the first `now`, and if no clock reaches that far.
    edge: Option<Instant>,
}

impl TimeWindow {
    /// The most buckets a window can have.
    pub const MAX_BUCKETS: usize = 65_536;

    /// A window over the last `duration`, in `buckets` parts. Ten are a fair choice: a call then counts for at
    /// least nine tenths of the duration.
    ///
    /// # Errors
    ///
    /// If there are no buckets or more than [`MAX_BUCKETS`](Self::MAX_BUCKETS), or if `duration` is shorter than a
    /// nanosecond a bucket.
    pub fn last(duration: Duration, buckets: usize) -> Result<Self, InvalidConfig> {
        check_count("buckets", buckets, Self::MAX_BUCKETS)?;
        if duration.as_nanos() < buckets as u128 {
            let bound = format!("at least 1ns for each of the {buckets} buckets");
            return Err(InvalidConfig::new("time_window", duration, bound));
        }
        Ok(Self::new(duration, buckets))
    }

    /// For numbers that are known to be in their bounds.
    pub(crate) fn new(duration: Duration, buckets: usize) -> Self {
        Self {
            duration,
            buckets: vec![Tally::default(); buckets].into(),
            totals: Tally::default(),
            origin: None,
            current: 0,
            slot: 0,
            edge: None,
        }
    }

    /// Adds a call at `now` and returns what the window then holds.
    #[inline]
    pub fn record(&mut self, outcome: Outcome, now: Instant) -> Tally {
        self.advance(now);
        self.buckets[self.slot].add(outcome);
        self.totals.add(outcome);
        self.totals
    }

    /// What the window holds at `now`.
    pub fn tally(&mut self, now: Instant) -> Tally {
        self.advance(now);
        self.totals
    }

    /// Whether the other window looks back as far, in as many buckets.
    pub(crate) fn has_shape_of(&self, other: &Self) -> bool {
        self.duration == other.duration && self.buckets.len() == other.buckets.len()
    }

    /// How far the window looks back.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// Forgets all calls.
    pub fn clear(&mut self) {
        self.buckets.fill(Tally::default());
        self.totals = Tally::default();
    }

    /// Moves on to the bucket that `now` lies in, and lets go what has left the window.
    #[inline]
    fn advance(&mut self, now: Instant) {
        if self.edge.is_none_or(|edge| now >= edge) {
            self.advance_to(now);
        }
    }

    #[cold]
    fn advance_to(&mut self, now: Instant) {
        let origin = *self.origin.get_or_insert(now);
        let target = self.bucket_at(now.saturating_duration_since(origin)).max(self.current);
        let passed = usize::try_from(target - self.current).unwrap_or(usize::MAX);
        if passed >= self.buckets.len() {
            self.clear();
        } else {
            for back in 0..passed as u64 {
                let slot = self.slot_of(target - back);
                let gone = std::mem::take(&mut self.buckets[slot]);
                self.totals.subtract(gone);
            }
        }
        self.current = target;
        self.slot = self.slot_of(target);
        self.edge = origin.checked_add(self.end_of(target));
    }

    fn slot_of(&self, number: u64) -> usize {
        // The remainder is below the number of buckets, which is a `usize`.
        #[allow(clippy::cast_possible_truncation, reason = "below the number of buckets")]
        {
            (number % self.buckets.len() as u64) as usize
        }
    }

    /// The number of the bucket that `elapsed` lies in. Bucket `n` reaches from `n * duration / buckets`, rounded
    /// up, to where the next one begins: no remainder is lost, whatever the duration.
    fn bucket_at(&self, elapsed: Duration) -> u64 {
        let number = elapsed.as_nanos() * self.buckets.len() as u128 / self.duration.as_nanos();
        u64::try_from(number).unwrap_or(u64::MAX)
    }

    fn end_of(&self, number: u64) -> Duration {
        let nanos = (u128::from(number) + 1).saturating_mul(self.duration.as_nanos());
        from_nanos(nanos.div_ceil(self.buckets.len() as u128))
    }
}

/// Saturates: a moment that no clock reaches.
fn from_nanos(nanos: u128) -> Duration {
    const PER_SECOND: u128 = 1_000_000_000;
    #[allow(clippy::cast_possible_truncation, reason = "below 10^9")]
    let subsecond = (nanos % PER_SECOND) as u32;
    u64::try_from(nanos / PER_SECOND).map_or(Duration::MAX, |seconds| Duration::new(seconds, subsecond))
}

#[cfg(test)]
mod tests;
