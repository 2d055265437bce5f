//! A bound on a wait, which costs nothing until something has to wait.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::task::coop::{has_budget_remaining, unconstrained};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::deadline::{self, Entered};

pin_project! {
    /// Elapses `limit` after it is first polled. No timer exists before that.
    #[derive(Debug)]
    #[project = TimerProj]
    #[project_ref = TimerRef]
    pub(crate) enum Timer {
        Unset { limit: Duration },
        Set { #[pin] sleep: Sleep },
        // A timeout around this one comes first, so there is nothing to set; or the limit is beyond the clock.
        Spared { deadline: Option<Instant> },
    }
}

impl Timer {
    #[inline]
    pub(crate) const fn new(limit: Duration) -> Self {
        Self::Unset { limit }
    }

    /// Makes the deadline known to what is polled until the result is dropped.
    #[inline]
    pub(crate) fn enter(self: Pin<&Self>) -> Option<Entered> {
        match self.project_ref() {
            TimerRef::Unset { limit } => Some(Entered::limit(*limit)),
            TimerRef::Set { sleep } => Some(Entered::deadline(sleep.deadline())),
            TimerRef::Spared { deadline } => deadline.map(Entered::deadline),
        }
    }

    /// When it elapses, if its clock runs.
    #[inline]
    pub(crate) fn deadline(self: Pin<&Self>) -> Option<Instant> {
        match self.project_ref() {
            TimerRef::Unset { .. } => None,
            TimerRef::Set { sleep } => Some(sleep.deadline()),
            TimerRef::Spared { deadline } => *deadline,
        }
    }

    /// Whether the task has any of its cooperative budget left. Looked at only where a timer runs that can elapse.
    #[inline]
    pub(crate) fn has_budget(self: Pin<&Self>) -> bool {
        matches!(self.project_ref(), TimerRef::Unset { .. }) || has_budget_remaining()
    }

    /// `had_budget` is what [`has_budget`](Self::has_budget) said before; see [`poll_sleep`].
    pub(crate) fn poll_elapsed(mut self: Pin<&mut Self>, cx: &mut Context<'_>, had_budget: bool) -> Poll<()> {
        let (deadline, is_first) = match self.as_mut().project() {
            TimerProj::Set { sleep } => return poll_sleep(sleep, cx, had_budget),
            TimerProj::Unset { limit } => {
                let end = deadline::end_of(*limit);
                (end, end.is_some_and(|end| deadline::is_first(*limit, end)))
            }
            // Asked again at each poll: the future may have been moved out of the timeout around it.
            TimerProj::Spared { deadline } => {
                (*deadline, deadline.is_some_and(|own| deadline::deadline().is_none_or(|first| own <= first)))
            }
        };
        match deadline {
            Some(deadline) if is_first => {
                self.set(Self::Set { sleep: sleep_until(deadline) });
                // A timer that is set only now has elapsed if the limit is zero; then nobody looked at the budget.
                self.poll_elapsed(cx, has_budget_remaining())
            }
            deadline => {
                self.set(Self::Spared { deadline });
                Poll::Pending
            }
        }
    }
}

/// Asks the timer of something that was asked just before and is not ready.
///
/// Unconstrained, because what is waited for may use up the task's budget on every poll, and a timer that is never asked
/// never elapses. But if the task had no budget to begin with, what is waited for may be there and not show; then the
/// timer has none either, so that both are asked again on the task's next turn.
pub(crate) fn poll_sleep(sleep: Pin<&mut Sleep>, cx: &mut Context<'_>, had_budget: bool) -> Poll<()> {
    if had_budget { pin!(unconstrained(sleep)).poll(cx) } else { sleep.poll(cx) }
}
