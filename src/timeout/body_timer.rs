use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::deadline::poll_sleep;
use crate::error::Rejection;
use crate::until_body_end::{Guard, Sealed};

/// What is left of the timeout for the body of the response.
#[derive(Debug)]
pub struct BodyTimer {
    limit: Duration,
    deadline: Option<Instant>,
    /// Made when the body first has to be waited for.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl BodyTimer {
    #[inline]
    pub(super) const fn new(limit: Duration, deadline: Option<Instant>) -> Self {
        Self { limit, deadline, sleep: None }
    }
}

impl Sealed for BodyTimer {}

impl Guard for BodyTimer {
    fn complete(self) {}

    fn fail(self) {}

    fn is_over(&self) -> Option<Rejection> {
        let is_over = self.deadline.is_some_and(|deadline| Instant::now() > deadline);
        is_over.then(|| Rejection::timeout(self.limit))
    }

    fn poll_over(&mut self, cx: &mut Context<'_>, had_budget: bool) -> Poll<Rejection> {
        let Some(deadline) = self.deadline else { return Poll::Pending };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        ready!(poll_sleep(sleep.as_mut(), cx, had_budget));
        Poll::Ready(Rejection::timeout(self.limit))
    }
}
