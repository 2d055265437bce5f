use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use tokio::time::Instant;

use super::gcra::{Nanos, Refusal};
use super::queue::Look;
use super::shared::{Patience, Shared, nanos, wait};
use crate::deadline::report_wait;

/// A place in the queue, left on drop.
pub(super) struct Waiting {
    shared: Arc<Shared>,
    number: u64,
    since: Nanos,
    max_wait: Duration,
    in_queue: bool,
}

/// What one that waits is told.
pub(super) enum Turn {
    Passed,
    /// Not before this moment, or not before it is woken.
    NotBefore(Option<Instant>),
    Refused(Option<Duration>),
}

impl Waiting {
    pub(super) const fn new(shared: Arc<Shared>, number: u64, since: Nanos, max_wait: Duration) -> Self {
        Self { shared, number, since, max_wait, in_queue: true }
    }

    /// Whether its turn has come. A turn at `deadline` or after it is refused.
    pub(super) fn poll_turn(&mut self, cx: &Context<'_>, deadline: Option<Instant>) -> Turn {
        // At the deadline there is no time left for the request itself.
        let before = deadline.map(|end| nanos(end.saturating_duration_since(self.shared.origin)).saturating_sub(1));
        let patience = Patience { max_wait: self.max_wait, max_queue: 0 };
        let last_start = patience.last_start(self.since).min(before.unwrap_or(Nanos::MAX));
        let mut waker = Some(cx.waker().clone());
        let (look, now) = self.shared.locked(|queue, now| (queue.look(self.number, now, last_start, &mut waker), now));
        // Without the lock: the waker from before may be the last that holds its task.
        drop(waker);
        let turn = match look {
            Look::Waits(at) => return Turn::NotBefore(self.shared.instant(at)),
            Look::Passed => Turn::Passed,
            Look::Refused(Refusal::Until(at)) => Turn::Refused(Some(wait(now, at))),
            Look::Refused(Refusal::TooDear) => Turn::Refused(None),
        };
        self.in_queue = false;
        self.report(now);
        turn
    }

    fn report(&self, now: Nanos) {
        report_wait(Duration::from_nanos(now.saturating_sub(self.since)));
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.in_queue {
            let (waker, now) = self.shared.locked(|queue, now| (queue.leave(self.number, now), now));
            drop(waker);
            self.report(now);
        }
    }
}
