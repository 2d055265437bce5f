//! What round-trip times say of a limit: whether they are longer than usual, and whether they grow with the limit.

/// How much a window moves the mean and the deviation: they remember about the last 20 windows.
const WEIGHT: f64 = 0.05;

/// How far above its moving mean a window is late, in deviations. Vector's number: one window in 160 is by chance.
const DEVIATIONS: f64 = 2.5;

/// The least deviation, as a share of the mean: an upstream as regular as a clock is not late for a microsecond.
const LEAST_DEVIATION: f64 = 0.01;

/// No window is late before the deviation is known: that of two or three differences is chance.
const FIRST_WINDOWS: u32 = 10;

/// Times that differ by less are the same: sums of equal numbers are not equal.
const SAME: f64 = 1.000_001;

/// After this many late windows in a row it is asked whether the smaller limit helps. They are counted from the last one
/// that was worse than those before by more than `WORSE`: until then the change was not there in full.
const PATIENCE: u32 = 4;
const WORSE: f64 = 1.1;

/// If times fell by less than this share of what they would fall by in a full queue, the smaller limit does not help.
const HELPS: f64 = 0.5;

/// Above this exponent, times grow with the limit. In a queue that is always full they are proportional to it: 1. Where
/// there is no queue: 0.
const GROWING: f64 = 0.5;

/// The least variance of the logarithm of the limit from which an exponent can be read: a deviation of 0.5 %.
const LEAST_SPREAD: f64 = 2e-5;

/// After this many windows in which the limit did not grow because of the exponent, it shrinks: a limit that is held shows
/// nothing new, and it is above the knee. More often, it falls below a knee that chance has shown; less often, the limit
/// stays above one for longer.
const HELD: u32 = 8;

/// The moving mean of round-trip times, in seconds, and how it moves.
#[derive(Debug, Default)]
pub(super) struct Latency {
    windows: u32,
    mean: f64,
    /// Half the mean square of the difference between one window and the next. A slow rise does not widen it, as it would
    /// widen the distance from the mean.
    variance: f64,
    last: f64,
    excess: Option<Excess>,
    growth: Growth,
}

/// What times say of a limit that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Advice {
    /// A larger one would do no harm, as far as the windows before tell.
    Grow,
    Hold,
    /// Times have grown with it for a while.
    Shrink,
}

/// Late windows in a row.
#[derive(Debug)]
struct Excess {
    /// The one that the others are compared with, and the limit in it.
    time: f64,
    limit: f64,
    /// How many came after it.
    windows: u32,
}

/// The exponent by which times grow with the limit: a regression of their logarithms.
#[derive(Debug, Default)]
struct Growth {
    windows: u32,
    limit: f64,
    time: f64,
    spread: f64,
    covariance: f64,
    held: u32,
}

impl Latency {
    /// Whether a mean round-trip time of `time` is 2.5 deviations above the moving mean.
    pub(super) fn is_late(&self, time: f64) -> bool {
        let deviation = self.variance.sqrt().max(LEAST_DEVIATION * self.mean);
        self.windows >= FIRST_WINDOWS && time > DEVIATIONS.mul_add(deviation, self.mean)
    }

    /// Of a window that is not late. `can_shrink` says whether a smaller limit is possible.
    pub(super) fn advise(&mut self, time: f64, can_shrink: bool) -> Advice {
        if self.windows == 0 {
            Advice::Hold
        } else if self.growth.holds() {
            self.growth.endure(can_shrink)
        } else if time <= SAME * self.mean {
            Advice::Grow
        } else {
            Advice::Hold
        }
    }

    /// Learns from a window in which `limit` was in force, and was reached or not. `can_shrink` says whether a smaller
    /// limit is possible.
    pub(super) fn learn(&mut self, time: f64, limit: f64, was_reached: bool, can_shrink: bool) {
        if was_reached {
            self.growth.learn(limit.ln(), time.ln());
        }
        if self.is_late(time) {
            self.endure(time, limit, can_shrink);
        } else {
            self.excess = None;
            self.settle(time);
        }
        self.windows = self.windows.saturating_add(1);
        self.last = time;
    }

    fn settle(&mut self, time: f64) {
        let difference = time - self.last;
        match self.windows {
            0 => self.mean = time,
            windows => {
                self.mean += weight(windows + 1) * (time - self.mean);
                self.variance += weight(windows) * (difference * difference / 2.0 - self.variance);
            }
        }
    }

    /// A late window teaches nothing at first: what comes of our own load is not usual. But where times do not fall with
    /// the limit, they are not of our load: the upstream has become slower, and that is usual now.
    fn endure(&mut self, time: f64, limit: f64, can_shrink: bool) {
        let excess = match self.excess.take() {
            Some(excess) if WORSE * excess.time >= time => Excess { windows: excess.windows + 1, ..excess },
            _ => Excess { time, limit, windows: 1 },
        };
        if excess.windows < PATIENCE {
            self.excess = Some(excess);
            return;
        }
        let fall = 1.0 - time / excess.time;
        let fall_in_a_queue = 1.0 - limit / excess.limit;
        if can_shrink && fall >= HELPS * fall_in_a_queue {
            self.excess = Some(excess);
        } else {
            // What is usual is learned anew.
            (self.windows, self.variance) = (0, 0.0);
            self.settle(time);
        }
    }
}

impl Growth {
    fn learn(&mut self, limit: f64, time: f64) {
        self.windows = self.windows.saturating_add(1);
        let weight = weight(self.windows);
        let (by_limit, by_time) = (limit - self.limit, time - self.time);
        self.limit += weight * by_limit;
        self.time += weight * by_time;
        if self.windows == 1 {
            return;
        }
        self.spread = (1.0 - weight) * (self.spread + weight * by_limit * by_limit);
        self.covariance = (1.0 - weight) * (self.covariance + weight * by_limit * by_time);
    }

    /// Whether times grow with the limit.
    fn holds(&mut self) -> bool {
        let holds = self.spread >= LEAST_SPREAD && self.covariance >= GROWING * self.spread;
        if !holds {
            self.held = 0;
        }
        holds
    }

    /// Another window in which they do. What they showed of a limit that cannot shrink is forgotten: the upstream may have
    /// changed.
    fn endure(&mut self, can_shrink: bool) -> Advice {
        self.held += 1;
        if self.held < HELD {
            return Advice::Hold;
        }
        self.held = 0;
        if can_shrink {
            return Advice::Shrink;
        }
        (self.spread, self.covariance) = (0.0, 0.0);
        Advice::Hold
    }
}

/// That of a plain mean, until there are enough windows for a moving one.
fn weight(windows: u32) -> f64 {
    WEIGHT.max(1.0 / f64::from(windows))
}

#[cfg(test)]
mod tests;
