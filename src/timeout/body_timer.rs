use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

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

    /// Asks the clock each time: a body that is always ready, or whose reader is slow, ends too.
    fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<Rejection> {
        let Some(deadline) = self.deadline else { return Poll::Pending };
        if Instant::now() < deadline {
            // Unconstrained: the budget is the body's.
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
            let sleep = std::pin::pin!(tokio::task::coop::unconstrained(sleep));
            std::task::ready!(sleep.poll(cx));
        }
        Poll::Ready(Rejection::timeout(self.limit))
    }
}
