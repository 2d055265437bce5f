use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use crate::deadline::poll_sleep;
use crate::error::Rejection;
use crate::until_body_end::{Guard, Sealed};

/// Since when the connection has had a frame of the request, and asked for no other. Shared by the body, which the
/// connection polls, and the response future, which the caller polls.
#[derive(Debug, Clone)]
pub struct Progress {
    /// `None` while it is the body that makes the connection wait, and once the body has ended.
    stalled_since: Arc<Mutex<Option<Instant>>>,
}

impl Progress {
    /// The connection has not asked for anything yet.
    pub(super) fn new() -> Self {
        Self { stalled_since: Arc::new(Mutex::new(Some(Instant::now()))) }
    }

    /// The connection has a frame to send.
    pub(super) fn is_sending(&self) {
        self.set(Some(Instant::now()));
    }

    /// The connection waits for the body, or needs no more of it.
    pub(super) fn is_not_sending(&self) {
        self.set(None);
    }

    fn set(&self, since: Option<Instant>) {
        *self.stalled_since.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    /// How much longer the connection may take; `None` while it owes nothing.
    pub(super) fn left(&self, limit: Duration) -> Option<Duration> {
        let since = *self.stalled_since.lock().unwrap_or_else(PoisonError::into_inner);
        since.map(|since| limit.saturating_sub(since.elapsed()))
    }
}

/// Bounds the time that the next frame of a body takes.
#[derive(Debug)]
pub struct ReadTimer {
    limit: Duration,
    /// Made when the body first has to be waited for, and again for each frame that has to be.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl ReadTimer {
    pub(super) const fn new(limit: Duration) -> Self {
        Self { limit, sleep: None }
    }
}

impl Sealed for ReadTimer {}

impl Guard for ReadTimer {
    fn complete(self) {}

    fn fail(self) {}

    fn frame(&mut self) {
        self.sleep = None;
    }

    fn poll_over(&mut self, cx: &mut Context<'_>, had_budget: bool) -> Poll<Rejection> {
        let limit = self.limit;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(poll_sleep(sleep.as_mut(), cx, had_budget));
        Poll::Ready(Rejection::timeout(limit))
    }
}
