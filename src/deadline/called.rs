//! When a stack was called, for its first attempt: between the two there is nothing but layers of the stack, so that one look
//! at the clock does for both.

use std::cell::Cell;

use tokio::time::Instant;

thread_local! {
    static CALLED: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Tells the first attempt, until it is dropped, when its stack was called.
#[must_use]
pub(crate) struct Called;

impl Called {
    /// `None` if nobody has looked at the clock.
    #[inline]
    pub(crate) fn at(now: Option<Instant>) -> Self {
        CALLED.set(now);
        Self
    }

    /// When the stack was called, if that calls the attempt right now. Whatever the attempt calls is not told.
    #[inline]
    pub(crate) fn take() -> Option<Instant> {
        CALLED.take()
    }
}

impl Drop for Called {
    #[inline]
    fn drop(&mut self) {
        CALLED.set(None);
    }
}
