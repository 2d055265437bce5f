//! The window of a circuit, and since when it holds too many failures.

use std::time::Duration;

use tokio::time::Instant;

use super::settings::{Settings, WindowKind};
use super::step::Now;
use crate::config::InvalidConfig;
use crate::window::{CountWindow, Outcome, Tally, TimeWindow};

#[derive(Debug, Clone)]
pub(super) struct Tracker {
    window: Window,
    /// When the failures in the window first were too many, if at every outcome since they were. Kept only where failures
    /// must span some time.
    exceeded_since: Option<Instant>,
}

/// The time window is boxed because it is three times as large.
#[derive(Debug, Clone)]
enum Window {
    Count(CountWindow),
    Time(Box<TimeWindow>),
}

impl Tracker {
    pub(super) fn new(kind: WindowKind) -> Result<Self, InvalidConfig> {
        let window = match kind {
            WindowKind::Count(calls) => Window::Count(CountWindow::last(calls)?),
            WindowKind::Time(duration, buckets) => Window::Time(Box::new(TimeWindow::last(duration, buckets)?)),
        };
        Ok(Self { window, exceeded_since: None })
    }

    #[inline]
    pub(super) fn record(&mut self, outcome: Outcome, now: &mut Now) -> Tally {
        match &mut self.window {
            Window::Count(window) => window.record(outcome),
            Window::Time(window) => window.record(outcome, now.get()),
        }
    }

    /// Records an outcome, and says whether the circuit opens at it.
    #[inline]
    pub(super) fn judge(&mut self, outcome: Outcome, settings: &Settings, now: &mut Now) -> (Tally, bool) {
        let tally = self.record(outcome, now);
        let exceeded = settings.is_exceeded_by(tally);
        if settings.minimum_span.is_zero() {
            return (tally, exceeded);
        }
        (tally, self.spans(settings.minimum_span, exceeded, outcome, now))
    }

    /// Whether the failures have been too many for all of `span`, and this is a further one.
    fn spans(&mut self, span: Duration, exceeded: bool, outcome: Outcome, now: &mut Now) -> bool {
        if !exceeded {
            self.exceeded_since = None;
            return false;
        }
        let now = now.get();
        let since = *self.exceeded_since.get_or_insert(now);
        outcome != Outcome::SUCCESS && now.saturating_duration_since(since) >= span
    }

    pub(super) fn tally(&mut self, now: &mut Now) -> Tally {
        match &mut self.window {
            Window::Count(window) => window.tally(),
            Window::Time(window) => window.tally(now.get()),
        }
    }

    /// Whether a further success would change nothing.
    pub(super) fn is_all_success(&self) -> bool {
        match &self.window {
            Window::Count(window) => window.is_all_success(),
            // Each call has its time.
            Window::Time(_) => false,
        }
    }

    pub(super) fn clear(&mut self) {
        self.exceeded_since = None;
        match &mut self.window {
            Window::Count(window) => window.clear(),
            Window::Time(window) => window.clear(),
        }
    }

    /// An empty tracker like this one.
    pub(super) fn blank(&self) -> Self {
        let mut blank = self.clone();
        blank.clear();
        blank
    }

    /// Takes the shape of `other`, which is empty, and keeps the calls as far as it has room for them: a count window
    /// keeps its last calls; a time window keeps them all if nothing of it changes, and otherwise none.
    pub(super) fn reshape(&mut self, other: Self) {
        self.exceeded_since = None;
        match (&mut self.window, other.window) {
            (Window::Count(window), Window::Count(new)) => window.copy_into(new),
            (Window::Time(window), Window::Time(new)) if window.has_shape_of(&new) => {}
            (window, new) => *window = new,
        }
    }
}
