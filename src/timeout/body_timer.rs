use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::deadline;
use crate::error::Rejection;
use crate::extent::Guard;
use crate::timer::poll_sleep;

/// The timeout of a body: what is left of that of its head.
///
/// If the head was there at once, the clock starts when the body first makes its reader wait.
#[derive(Debug)]
pub struct BodyTimer {
    limit: Duration,
    deadline: Option<Instant>,
    /// Set when the body first makes its reader wait.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl BodyTimer {
    #[inline]
    pub(super) const fn new(limit: Duration, deadline: Option<Instant>) -> Self {
        Self { limit, deadline, sleep: None }
    }
}

impl Guard for BodyTimer {
    #[inline]
    fn complete(&mut self) {}

    fn fail(&mut self) {}

    fn poll_expired(&mut self, cx: &mut Context<'_>, had_budget: bool) -> Poll<Rejection> {
        let Some(deadline) = self.deadline.or_else(|| deadline::end_of(self.limit)) else {
            return Poll::Pending;
        };
        self.deadline = Some(deadline);
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        ready!(poll_sleep(sleep.as_mut(), cx, had_budget));
        Poll::Ready(Rejection::Timeout { limit: self.limit })
    }
}
