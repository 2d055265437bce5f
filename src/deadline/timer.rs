//! A bound on a wait, whose timer is made when something first has to wait.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tokio::task::coop::{has_budget_remaining, unconstrained};
use tokio::time::{Instant, Sleep, sleep_until};

pin_project! {
    /// Elapses at a deadline. It is armed by the first poll that finds nothing ready, whoever polls: it trusts nobody
    /// else to poll or wake its task.
    #[derive(Debug)]
    #[project = TimerProj]
    #[project_ref = TimerRef]
    pub(crate) enum Timer {
        // `None` is beyond the clock: it never elapses.
        Unset { deadline: Option<Instant> },
        Set { #[pin] sleep: Sleep },
    }
}

impl Timer {
    #[inline]
    pub(crate) const fn new(deadline: Option<Instant>) -> Self {
        Self::Unset { deadline }
    }

    /// When it elapses.
    #[inline]
    pub(crate) fn deadline(self: Pin<&Self>) -> Option<Instant> {
        match self.project_ref() {
            TimerRef::Unset { deadline } => *deadline,
            TimerRef::Set { sleep } => Some(sleep.deadline()),
        }
    }

    /// Whether the task has any of its cooperative budget left. Looked at only where a timer runs that can elapse.
    #[inline]
    pub(crate) fn has_budget(self: Pin<&Self>) -> bool {
        matches!(self.project_ref(), TimerRef::Unset { .. }) || has_budget_remaining()
    }

    /// `had_budget` is what [`has_budget`](Self::has_budget) said before; see [`poll_sleep`].
    pub(crate) fn poll_elapsed(mut self: Pin<&mut Self>, cx: &mut Context<'_>, had_budget: bool) -> Poll<()> {
        match self.as_mut().project() {
            TimerProj::Set { sleep } => poll_sleep(sleep, cx, had_budget),
            TimerProj::Unset { deadline: None } => Poll::Pending,
            TimerProj::Unset { deadline: Some(deadline) } => {
                let sleep = sleep_until(*deadline);
                self.set(Self::Set { sleep });
                let TimerProj::Set { sleep } = self.project() else { return Poll::Pending };
                // It may have elapsed already. Nobody has looked at the budget yet: without any it is asked again.
                sleep.poll(cx)
            }
        }
    }
}

/// Asks the timer of something that was asked just before and is not ready.
///
/// Unconstrained, if what is waited for has used up the task's budget: it may do so on every poll, and a timer that is
/// never asked never elapses. But if the task had no budget to begin with, what is waited for may be there and not show;
/// then the timer has none either, so that both are asked again on the task's next turn.
pub(crate) fn poll_sleep(sleep: Pin<&mut Sleep>, cx: &mut Context<'_>, had_budget: bool) -> Poll<()> {
    if had_budget && !has_budget_remaining() { pin!(unconstrained(sleep)).poll(cx) } else { sleep.poll(cx) }
}
