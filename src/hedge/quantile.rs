//! After how long a given share of the first attempts is still under way. No lock, no clock.
//!
//! An attempt that was dropped after a time would have taken *at least that time*. To leave it out would make attempts look faster
//! than they are: the delay would fall, more of them would be dropped, and the delay would fall further. The estimate of
//! Kaplan and Meier (1958) counts such an attempt for as long as it was seen, and no longer.
//!
//! Durations are counted in a histogram whose buckets are at most 1/32 of their lower edge wide, over a ring of the last
//! attempts. So an estimate is exact but for the width of a bucket, towards the longer side.

use std::time::Duration;

/// How many attempts are remembered: 20 of them lie beyond the quantile of an extra load of 2 %, which leaves its error at
/// about a quarter. More would take longer to forget an outage.
const REMEMBERED: usize = 1_000;
/// No estimate before this many: of 100, an extra load of 1 % is one.
pub(super) const MINIMUM: usize = 100;
/// After how many attempts the estimate is made anew: a small part of what is remembered.
const EVERY: u32 = 32;

/// An octave is cut into `1 << BITS` buckets.
const BITS: u32 = 5;
/// 71 minutes, in microseconds. All that takes longer is in the last bucket.
const LONGEST: u64 = (1 << 32) - 1;
const BUCKETS: usize = bucket_of(LONGEST) + 1;

/// How long an attempt took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lasted {
    Exactly(Duration),
    /// It was dropped before it ended, or failed.
    AtLeast(Duration),
}

/// What is made of the durations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Estimate {
    /// After this long, at most the given share of the attempts is still under way.
    pub(super) delay: Duration,
    /// After this long, at most half of them are.
    pub(super) median: Duration,
}

#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    exactly: u16,
    at_least: u16,
}

/// The durations of the last attempts.
#[derive(Debug)]
pub(super) struct Quantile {
    buckets: Box<[Bucket]>,
    ring: Box<[Entry]>,
    len: usize,
    next: usize,
    since_estimate: u32,
}

#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    bucket: u16,
    is_exact: bool,
}

impl Quantile {
    pub(super) fn new() -> Self {
        Self {
            buckets: vec![Bucket::default(); BUCKETS].into(),
            ring: vec![Entry::default(); REMEMBERED].into(),
            len: 0,
            next: 0,
            since_estimate: 0,
        }
    }

    /// Remembers an attempt. Returns whether it is time for a new estimate.
    pub(super) fn record(&mut self, lasted: Lasted) -> bool {
        let (duration, is_exact) = match lasted {
            Lasted::Exactly(duration) => (duration, true),
            Lasted::AtLeast(duration) => (duration, false),
        };
        let bucket = bucket_of(u64::try_from(duration.as_micros()).unwrap_or(LONGEST));
        #[allow(clippy::cast_possible_truncation, reason = "below the number of buckets")]
        let entry = Entry { bucket: bucket as u16, is_exact };
        let oldest = std::mem::replace(&mut self.ring[self.next], entry);
        if self.len == REMEMBERED {
            *self.count(oldest) -= 1;
        } else {
            self.len += 1;
        }
        *self.count(entry) += 1;
        self.next = (self.next + 1) % REMEMBERED;
        self.since_estimate += 1;
        self.len == MINIMUM || self.since_estimate >= EVERY
    }

    fn count(&mut self, entry: Entry) -> &mut u16 {
        let bucket = &mut self.buckets[usize::from(entry.bucket)];
        if entry.is_exact { &mut bucket.exactly } else { &mut bucket.at_least }
    }

    /// After how long at most `share` of the attempts is still under way; `None` before there are enough of them.
    ///
    /// If more than that was dropped before it ended, nobody knows; then it is the longest that any was seen.
    pub(super) fn estimate(&mut self, share: f64) -> Option<Estimate> {
        self.since_estimate = 0;
        if self.len < MINIMUM {
            return None;
        }
        let (mut median, mut longest) = (None, Duration::ZERO);
        let mut under_way = f64::from(u32::try_from(self.len).unwrap_or(u32::MAX));
        let mut left = 1.0;
        for (index, bucket) in self.buckets.iter().enumerate() {
            let (exactly, at_least) = (f64::from(bucket.exactly), f64::from(bucket.at_least));
            if exactly + at_least == 0.0 {
                continue;
            }
            longest = upper_edge(index);
            // Those that were dropped within the bucket are taken to have been there to its end.
            left *= 1.0 - exactly / under_way;
            under_way -= exactly + at_least;
            if median.is_none() && left <= 0.5 {
                median = Some(longest);
            }
            // A product of many factors is not exact to the last bit.
            if left <= share + 1e-9 {
                return Some(Estimate { delay: longest, median: median.unwrap_or(longest) });
            }
        }
        Some(Estimate { delay: longest, median: median.unwrap_or(longest) })
    }
}

/// The bucket of a duration in microseconds: one for each up to 63, then 32 for each octave.
#[allow(clippy::cast_possible_truncation, reason = "below the number of buckets")]
const fn bucket_of(micros: u64) -> usize {
    let micros = if micros < LONGEST { micros } else { LONGEST };
    let shift = (u64::BITS - micros.leading_zeros()).saturating_sub(BITS + 1);
    ((shift as u64) << BITS) as usize + (micros >> shift) as usize
}

/// The shortest duration that is longer than all in the bucket.
fn upper_edge(bucket: usize) -> Duration {
    let shift = (bucket >> BITS).saturating_sub(1);
    let within = bucket - (shift << BITS) + 1;
    Duration::from_micros((within as u64) << shift)
}

#[cfg(test)]
mod tests;
