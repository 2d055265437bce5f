use std::sync::Arc;
use std::time::Duration;

use super::circuit::Circuit;
use super::rules::{Rules, SlowCalls};
use super::state::Window;
use crate::backoff::Backoff;
use crate::config::{InvalidConfig, check_count, check_positive, check_ratio};
use crate::window::{CountWindow, TimeWindow};

/// Into how many buckets a time window is cut unless told otherwise: a call then counts for at least nine tenths
/// of the window.
const BUCKETS: usize = 10;

/// The smallest number of calls worth judging. Below 20, one failure is more than 5 %.
const MINIMUM_CALLS: usize = 20;

/// Puts a [`Circuit`] together. Made by [`Circuit::builder`].
///
/// | setter | default |
/// |---|---|
/// | [`count_window`](Self::count_window) | 100 calls |
/// | [`failure_ratio`](Self::failure_ratio) | 0.5 |
/// | [`minimum_calls`](Self::minimum_calls) | 20, or a whole count window if that is smaller |
/// | [`slow_calls`](Self::slow_calls) | not judged |
/// | [`open_for`](Self::open_for) | 30 s, each time |
/// | [`probes`](Self::probes) | 5 |
/// | [`probe_timeout`](Self::probe_timeout) | the first open wait |
/// | [`open_on_retry_after`](Self::open_on_retry_after) | no |
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it is built"]
pub struct CircuitBuilder {
    name: Arc<str>,
    window: WindowKind,
    failure_ratio: f64,
    minimum_calls: Option<usize>,
    slow_calls: Option<SlowCalls>,
    open_for: Backoff,
    probes: usize,
    probe_timeout: Option<Duration>,
    max_retry_after: Option<Duration>,
}

#[derive(Debug, Clone, Copy)]
enum WindowKind {
    Count(usize),
    Time(Duration, usize),
}

impl CircuitBuilder {
    pub(super) fn new(name: Arc<str>) -> Self {
        Self {
            name,
            window: WindowKind::Count(100),
            failure_ratio: 0.5,
            minimum_calls: None,
            slow_calls: None,
            open_for: Backoff::from(Duration::from_secs(30)),
            probes: 5,
            probe_timeout: None,
            max_retry_after: None,
        }
    }

    /// Judges the last so many calls: right for steady traffic.
    pub fn count_window(self, calls: usize) -> Self {
        Self { window: WindowKind::Count(calls), ..self }
    }

    /// Judges the calls of the last `duration`, in ten buckets: right for traffic in bursts.
    pub fn time_window(self, duration: Duration) -> Self {
        self.time_window_with_buckets(duration, BUCKETS)
    }

    /// Judges the calls of the last `duration`. They leave the window a bucket at a time.
    pub fn time_window_with_buckets(self, duration: Duration, buckets: usize) -> Self {
        Self { window: WindowKind::Time(duration, buckets), ..self }
    }

    /// Opens when at least this share of the calls in the window failed. Above 0, at most 1.
    pub fn failure_ratio(self, ratio: f64) -> Self {
        Self { failure_ratio: ratio, ..self }
    }

    /// Judges nothing before so many calls are in the window.
    pub fn minimum_calls(self, calls: usize) -> Self {
        Self { minimum_calls: Some(calls), ..self }
    }

    /// Opens as well when at least `ratio` of the calls took longer than `threshold`.
    ///
    /// A call that a timeout *outside* the breaker cancels counts only if this is judged and it was slow. Without it, and
    /// without a timeout inside, a callee that hangs is invisible.
    pub fn slow_calls(self, threshold: Duration, ratio: f64) -> Self {
        Self { slow_calls: Some(SlowCalls { threshold, ratio }), ..self }
    }

    /// How long it stays open: a `Duration`, or a [`Backoff`] that grows each time the probes fail, and starts over
    /// once the circuit has closed. A wait too long for the clock never ends by itself.
    pub fn open_for(self, wait: impl Into<Backoff>) -> Self {
        Self { open_for: wait.into(), ..self }
    }

    /// How many requests are let through, half-open, to find out whether the callee is back.
    pub fn probes(self, probes: usize) -> Self {
        Self { probes, ..self }
    }

    /// A probe that has not answered within this time counts as failed; and as slow, if a call of this length is. It does
    /// so from then on, though it shows only with the next request: if that comes late, the open wait can be over too.
    pub fn probe_timeout(self, timeout: Duration) -> Self {
        Self { probe_timeout: Some(timeout), ..self }
    }

    /// Opens at once when a failure comes with the wish to be left alone (`Retry-After`), for as long as that says, but
    /// no longer than `max`: so one 429 or 503 pauses all callers, not only the one it was sent to.
    pub fn open_on_retry_after(self, max: Duration) -> Self {
        Self { max_retry_after: Some(max), ..self }
    }

    /// How far a time window looks back; `None` for a count window.
    pub(crate) fn window_duration(&self) -> Option<Duration> {
        match self.window {
            WindowKind::Count(_) => None,
            WindowKind::Time(duration, _) => Some(duration),
        }
    }

    /// From when on a call is slow, if that is judged.
    pub(crate) fn slow_threshold(&self) -> Option<Duration> {
        self.slow_calls.map(|slow| slow.threshold)
    }

    /// The probe timeout, if it was set.
    pub(crate) const fn probe_limit(&self) -> Option<Duration> {
        self.probe_timeout
    }

    /// The circuit, closed and with an empty window.
    ///
    /// # Errors
    ///
    /// If a window, a ratio, a number or a wait is zero, a ratio is above 1 or not a number, `minimum_calls` is more
    /// than the count window can ever hold, or the backoff contradicts itself.
    pub fn build(self) -> Result<Circuit, InvalidConfig> {
        let (window, most_calls) = match self.window {
            WindowKind::Count(calls) => (Window::Count(CountWindow::last(calls)?), calls),
            WindowKind::Time(duration, buckets) => {
                (Window::Time(Box::new(TimeWindow::last(duration, buckets)?)), usize::MAX)
            }
        };
        let minimum_calls = self.minimum_calls.unwrap_or(MINIMUM_CALLS.min(most_calls));
        check_count("minimum_calls", minimum_calls, most_calls)?;
        check_ratio("failure_ratio", self.failure_ratio)?;
        if let Some(slow) = &self.slow_calls {
            check_positive("slow_calls threshold", slow.threshold)?;
            check_ratio("slow_calls ratio", slow.ratio)?;
        }
        self.open_for.validate_as("open_for")?;
        check_count("probes", self.probes, CountWindow::MAX_CALLS)?;
        let probe_timeout = self.probe_timeout.unwrap_or(self.open_for.first());
        check_positive("probe_timeout", probe_timeout)?;

        if let Some(max) = self.max_retry_after {
            check_positive("open_on_retry_after", max)?;
        }

        let rules = Rules {
            failure_ratio: self.failure_ratio,
            minimum_calls: minimum_calls as u64,
            slow_calls: self.slow_calls,
            open_for: self.open_for,
            probes: self.probes as u64,
            probe_timeout,
            max_retry_after: self.max_retry_after,
        };
        Ok(Circuit::new(self.name, rules, window))
    }
}
