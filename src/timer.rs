//! A bound on a wait, which costs nothing until something has to wait.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::task::coop::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

pin_project! {
    /// Elapses `limit` after it is first polled. No timer exists before that.
    #[derive(Debug)]
    #[project = TimerProj]
    pub(crate) enum Timer {
        Unset { limit: Duration },
        Set { #[pin] sleep: Sleep },
        // The limit is beyond the clock.
        Never,
    }
}

impl Timer {
    #[inline]
    pub(crate) const fn new(limit: Duration) -> Self {
        Self::Unset { limit }
    }

    pub(crate) fn poll_elapsed(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let TimerProj::Unset { limit } = self.as_mut().project() {
            let deadline = Instant::now().checked_add(*limit);
            self.set(deadline.map_or(Self::Never, |deadline| Self::Set { sleep: sleep_until(deadline) }));
        }
        match self.project() {
            // Unconstrained, because whatever is waited for may use up the task's budget on every poll, and a timer
            // that is never asked never elapses.
            TimerProj::Set { sleep } => pin!(unconstrained(sleep)).poll(cx),
            TimerProj::Unset { .. } | TimerProj::Never => Poll::Pending,
        }
    }
}
