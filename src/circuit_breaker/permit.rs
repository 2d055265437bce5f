use std::fmt;
use std::sync::Arc;

use tokio::time::Instant;

use super::circuit::Shared;
use super::state::{Now, Ticket, UNSEEN};
use crate::deadline::report_refusing;
use crate::rules::Verdict;
use crate::until_body_end::{Guard, Sealed};
use crate::window::Outcome;

/// Leave to make one call, given by [`Circuit::acquire`](super::Circuit::acquire).
///
/// Say how the call went with [`record`](Self::record). A permit that is dropped instead is a call that was
/// cancelled: it is given back and counts for nothing, unless slow calls are judged and it already was one.
#[must_use = "a permit that is dropped is a call that was cancelled"]
pub struct Permit {
    circuit: Arc<Shared>,
    ticket: Ticket,
    /// Read only where slow calls are judged.
    started: Option<Instant>,
}

impl Permit {
    #[inline]
    pub(super) fn new(circuit: Arc<Shared>, ticket: Ticket) -> Self {
        let started = circuit.slow_after().map(|_| Instant::now());
        Self { circuit, ticket, started }
    }

    /// Records how the call went, and how long it took since the permit was given.
    pub fn record(mut self, verdict: Verdict) {
        self.settle(verdict);
    }

    /// Settles it in place. After that it is a permit for which nothing is recorded.
    #[inline(never)]
    pub(super) fn settle(&mut self, verdict: Verdict) {
        let ticket = std::mem::replace(&mut self.ticket, UNSEEN);
        if ticket == UNSEEN {
            return;
        }
        let mut now = Now::default();
        let (failed, retry_after) = match verdict {
            Verdict::Success | Verdict::Declined | Verdict::Throttled { .. } | Verdict::InProgress { .. } => {
                (false, None)
            }
            Verdict::Failure(failure) => (true, failure.retry_after),
            Verdict::Ignored => return self.circuit.give_back(ticket),
        };
        let outcome = Outcome { failed, slow: self.is_slow(&mut now) };
        match retry_after {
            Some(wait) if !wait.is_zero() => self.circuit.record_and_open(ticket, outcome, wait, now),
            _ => self.circuit.record(ticket, outcome, now),
        }
        if failed {
            // A retry above need not pause for a rejection.
            self.circuit.refusing_for().into_iter().for_each(report_refusing);
        }
    }

    #[inline]
    fn is_slow(&self, now: &mut Now) -> bool {
        match (self.started, self.circuit.slow_after()) {
            (Some(started), Some(threshold)) => now.get().saturating_duration_since(started) > threshold,
            _ => false,
        }
    }

    #[cold]
    fn cancel(&mut self, ticket: Ticket) {
        let mut now = Now::default();
        if self.is_slow(&mut now) {
            // Otherwise a timeout outside the breaker would hide a callee that hangs.
            self.circuit.record(ticket, Outcome { failed: false, slow: true }, now);
        } else {
            self.circuit.give_back(ticket);
        }
    }
}

impl Drop for Permit {
    #[inline]
    fn drop(&mut self) {
        if self.ticket != UNSEEN {
            self.cancel(self.ticket);
        }
    }
}

impl Sealed for Permit {}

/// A head that was good has been judged; all that can follow is that the body breaks off.
impl Guard for Permit {
    #[inline]
    fn complete(mut self) {
        if self.started.is_none() && self.circuit.absorbs_success(self.ticket) {
            self.ticket = UNSEEN;
        } else {
            self.settle(Verdict::Success);
        }
    }

    fn fail(mut self) {
        self.settle(Verdict::UNKNOWN);
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("ticket", &self.ticket).finish_non_exhaustive()
    }
}
