//! A circuit that opens tells the retry above it, so that it does not pause for a rejection.

use std::cell::Cell;
use std::time::Duration;

thread_local! {
    static REFUSING: Cell<Option<Duration>> = const { Cell::new(None) };
}

/// Tells the layers above, from within a poll of theirs in which an attempt ended, that a layer of ours rejects requests
/// for this long.
pub(crate) fn report_refusing(wait: Duration) {
    let known = REFUSING.get().unwrap_or_default();
    REFUSING.set(Some(wait.max(known)));
}

/// Begins a poll: what was reported before is of other requests. Or ends one of a service that would send a further attempt
/// elsewhere.
#[inline]
pub(crate) fn forget_refusing() {
    REFUSING.set(None);
}

/// Polls what is none of the request's attempts: what is reported within is of another upstream.
pub(crate) fn refusing_apart<T>(poll: impl FnOnce() -> T) -> T {
    let _restored = Restore(REFUSING.get());
    poll()
}

/// Also by a panic.
struct Restore(Option<Duration>);

impl Drop for Restore {
    fn drop(&mut self) {
        REFUSING.set(self.0);
    }
}

/// How long the layers within reject requests, as reported since [`forget_refusing`].
pub(crate) fn refusing_for() -> Option<Duration> {
    REFUSING.get()
}
