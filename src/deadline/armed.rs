//! Until when a timer that is part of the polled future wakes its task, so that one around it need not be armed too.
//!
//! It holds only where nobody can part the two: where the one is part of the other's future, is polled each time that is,
//! with the same waker, and is dropped with it. That a timeout around some layers cannot know; a stack knows it of its own.

use std::cell::Cell;

use tokio::time::Instant;

thread_local! {
    static ARMED: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// At the start of a poll: what another one has noted says nothing of it.
#[inline]
pub(crate) fn forget_armed() {
    ARMED.set(None);
}

/// The part is pending, and is polled again by `until` at the latest; `None` if perhaps never.
#[inline]
pub(crate) fn note_armed(until: Option<Instant>) {
    ARMED.set(until);
}

/// What the part that was polled last has noted in this poll.
#[inline]
pub(crate) fn armed_until() -> Option<Instant> {
    ARMED.get()
}
