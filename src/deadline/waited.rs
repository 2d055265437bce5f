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

/// Runs a poll or a drop, and returns how much waiting was reported within. Whoever measures further out learns of it
/// too.
pub(crate) fn measure_waits<T>(run: impl FnOnce() -> T) -> (T, Duration) {
    /// Restores what was reported before, also when `run` panics.
    struct Outer(Duration);

    impl Drop for Outer {
        fn drop(&mut self) {
            WAITED.set(self.0.saturating_add(WAITED.get()));
        }
    }

    let outer = Outer(WAITED.replace(Duration::ZERO));
    let result = run();
    let waited = WAITED.get();
    drop(outer);
    (result, waited)
}
