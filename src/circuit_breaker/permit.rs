use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::shared::Shared;
use super::ticket::{Ticket, UNSEEN};
use crate::rules::Verdict;
use crate::until_body_end::{Guard, Sealed};

/// Permission to make one call, given by [`Circuit::acquire`](super::Circuit::acquire).
///
/// Say how the call ended with [`record`](Self::record). A permit that is dropped instead is a call that was cancelled.
/// It is given back and nothing is recorded, except that
///
/// - with [`abandoned_after`](super::CircuitBuilder::abandoned_after), a call that ran for that long has failed;
/// - with [`slow_calls`](super::CircuitBuilder::slow_calls), a call that already was slow is recorded as slow;
/// - the time of cancelled probes adds up: each full
///   [`probe_timeout`](super::CircuitBuilder::probe_timeout) of it is one failed probe.
#[must_use = "a permit that is dropped is a call that was cancelled"]
pub struct Permit {
    shared: Arc<Shared>,
    ticket: Ticket,
    /// Read only where the time counts. Time to exclude moves it on.
    started: Option<Instant>,
}

impl Permit {
    #[inline]
    pub(super) const fn new(shared: Arc<Shared>, ticket: Ticket, started: Option<Instant>) -> Self {
        Self { shared, ticket, started }
    }

    /// Records how the call ended, and how long it took since the permit was given.
    ///
    /// A failure is recorded without a [cause](crate::Rejection::CircuitOpen); to give one, use
    /// [`record_failure`](Self::record_failure).
    pub fn record(mut self, verdict: Verdict) {
        let ticket = std::mem::replace(&mut self.ticket, UNSEEN);
        self.shared.record(ticket, self.started, verdict, || None);
        if matches!(verdict, Verdict::Failure(_)) {
            self.shared.tell_refusing();
        }
    }

    /// Records that the call failed, and in a short word what: `timeout`, `503`. Rejections of the open circuit repeat
    /// it. Use a small set of words: a circuit keeps 15 different ones, later ones become `_OTHER`.
    pub fn record_failure(mut self, cause: impl Into<std::borrow::Cow<'static, str>>) {
        let ticket = std::mem::replace(&mut self.ticket, UNSEEN);
        self.shared.record(ticket, self.started, Verdict::UNKNOWN, || Some(cause.into()));
        self.shared.tell_refusing();
    }

    /// Excludes time in which the call did not wait for the upstream, such as in a queue of yours: it does not make the
    /// call slow.
    pub fn exclude(&mut self, waited: Duration) {
        self.started = self.started.map(|started| started.checked_add(waited).unwrap_or(started));
    }
}

impl Drop for Permit {
    #[inline]
    fn drop(&mut self) {
        if self.ticket != UNSEEN {
            self.shared.cancel(self.ticket, self.started);
        }
    }
}

impl Sealed for Permit {}

/// A head that was good has been judged; all that can follow is that the body breaks off.
impl Guard for Permit {
    #[inline]
    fn complete(self) {
        self.record(Verdict::Success);
    }

    fn fail(self) {
        self.record_failure("body");
    }

    fn exclude(&mut self, unread: Duration) {
        Self::exclude(self, unread);
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("ticket", &self.ticket).finish_non_exhaustive()
    }
}
