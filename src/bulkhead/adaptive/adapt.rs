//! The rule by which a limit adapts: additive increase, multiplicative decrease, in the form of Vector's adaptive
//! concurrency.
//!
//! Time is cut into windows of at least a second and at least ten samples, or of 30 s. At the end of a window the limit
//! shrinks by a tenth if the upstream asked for less or was late, or grows by one if it was reached and a larger one does no
//! harm. Three things differ from Vector's form, because simulations with it went past the knee of a server that queues
//! without end, slowly and without a bound: the mean and the deviation are those of the windows before, the deviation is
//! that from one window to the next, and a limit does not grow while times grow with it, but shrinks now and then, to see
//! whether they shrink too. The limit is a fraction, of which the whole part is in force: a tenth less of 8 is more than a
//! tenth less of 4, so that two clients come to share a small server fairly.

use std::time::Duration;

use tokio::time::Instant;

use super::config::Adapt;
use super::latency::{Advice, Latency};
use super::sample::Sample;

/// A window lasts at least as long, so that a change can show its effect.
const SHORTEST_WINDOW: Duration = Duration::from_secs(1);

/// A window ends at last, so that what is known is not older.
const LONGEST_WINDOW: Duration = Duration::from_secs(30);

/// From fewer samples a mean is chance.
const LEAST_SAMPLES: u32 = 10;

/// A limit, what is known of its upstream, and the current window.
#[derive(Debug)]
pub(super) struct Adapting {
    adapt: Adapt,
    /// Its whole part is in force.
    limit: f64,
    latency: Latency,
    window: Window,
}

/// The samples since the last change.
#[derive(Debug)]
struct Window {
    start: Instant,
    samples: u32,
    successes: u32,
    /// Of the successes, in seconds.
    time: f64,
    was_reached: bool,
    has_pressure: bool,
}

/// Why a limit changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// It was reached, and a larger one does no harm as far as is known.
    Reached,
    /// The upstream asked for less, or did not respond in time.
    Pressure,
    /// Responses took longer than usual.
    Latency,
}

/// A limit that changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) reason: Reason,
}

impl Adapting {
    /// Starts with `limit`, or the bound that is nearest to it.
    pub(super) fn new(adapt: Adapt, limit: usize, now: Instant) -> Self {
        let limit = float(limit.clamp(adapt.min, adapt.max));
        Self { adapt, limit, latency: Latency::default(), window: Window::new(now) }
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 1 to 2^31")]
    pub(super) const fn limit(&self) -> usize {
        self.limit as usize
    }

    /// Records one sample. The limit changes only at the end of a window.
    pub(super) fn record(&mut self, sample: Sample, now: Instant) -> Option<Change> {
        self.window.add(sample, self.limit());
        if !self.window.has_ended(now) {
            return None;
        }
        let window = std::mem::replace(&mut self.window, Window::new(now));
        let from = self.limit();
        let reason = self.judge(&window)?;
        self.limit = match reason {
            Reason::Reached => (self.limit + 1.0).min(float(self.adapt.max)),
            Reason::Pressure | Reason::Latency => (self.limit - self.limit / 10.0).max(float(self.adapt.min)),
        };
        let to = self.limit();
        (to != from).then_some(Change { from, to, reason })
    }

    fn judge(&mut self, window: &Window) -> Option<Reason> {
        let time = window.mean_time();
        let can_shrink = self.limit() > self.adapt.min;
        let reason = match time {
            _ if window.has_pressure => Some(Reason::Pressure),
            Some(time) if self.latency.is_late(time) => Some(Reason::Latency),
            Some(time) if window.was_reached => match self.latency.advise(time, can_shrink) {
                Advice::Grow => Some(Reason::Reached),
                Advice::Hold => None,
                Advice::Shrink => Some(Reason::Latency),
            },
            _ => None,
        };
        if let Some(time) = time {
            self.latency.learn(time, float(self.limit()), window.was_reached, can_shrink);
        }
        reason
    }
}

impl Window {
    const fn new(start: Instant) -> Self {
        Self { start, samples: 0, successes: 0, time: 0.0, was_reached: false, has_pressure: false }
    }

    fn add(&mut self, sample: Sample, limit: usize) {
        self.samples = self.samples.saturating_add(1);
        if let Some(time) = sample.time {
            self.successes = self.successes.saturating_add(1);
            self.time += time.as_secs_f64();
        }
        self.was_reached |= sample.in_flight >= limit;
        self.has_pressure |= sample.is_pressure;
    }

    fn has_ended(&self, now: Instant) -> bool {
        let age = now.saturating_duration_since(self.start);
        age >= SHORTEST_WINDOW && self.samples >= LEAST_SAMPLES || age >= LONGEST_WINDOW
    }

    /// Of the successes, if there were enough samples.
    fn mean_time(&self) -> Option<f64> {
        let is_enough = self.samples >= LEAST_SAMPLES && self.time > 0.0;
        is_enough.then(|| self.time / f64::from(self.successes))
    }
}

#[allow(clippy::cast_precision_loss, reason = "at most 2^31")]
const fn float(limit: usize) -> f64 {
    limit as f64
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
