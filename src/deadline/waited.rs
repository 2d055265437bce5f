//! How long our own layers made a request wait, which is no slowness of the upstream.

use std::cell::Cell;
use std::time::Duration;

thread_local! {
    static WAITED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Tells the layers above, from within a poll or a drop of theirs, that the request waited for one of ours: in the queue
/// of a bulkhead, or for a rate limit.
pub(crate) fn report_wait(wait: Duration) {
    WAITED.set(WAITED.get().saturating_add(wait));
}

/// Measures how much waiting is reported during a poll or a drop. Whoever measures further out learns of it too, also when
/// that panics.
#[must_use]
pub(crate) struct WaitMeter {
    /// What was reported before.
    outer: Duration,
}

impl WaitMeter {
    pub(crate) fn start() -> Self {
        Self { outer: WAITED.replace(Duration::ZERO) }
    }

    /// How much was reported since the start.
    pub(crate) fn stop(self) -> Duration {
        let waited = WAITED.get();
        drop(self);
        waited
    }
}

impl Drop for WaitMeter {
    fn drop(&mut self) {
        WAITED.set(self.outer.saturating_add(WAITED.get()));
    }
}

/// Runs a poll or a drop, and returns how much waiting was reported within.
pub(crate) fn measure_waits<T>(run: impl FnOnce() -> T) -> (T, Duration) {
    let meter = WaitMeter::start();
    let result = run();
    (result, meter.stop())
}
