use std::sync::Arc;

use tokio::time::Instant;

use super::breaker::Breaker;
use super::future::ResponseFuture;
use super::ticket::Ticket;
use crate::instance::Pointer;
use crate::rules::Verdict;

/// An admission while the inner service is called: two words and a borrow, so that it is first written where it will lie
/// in the future. Dropped, which only a panic does, it is a call that failed.
pub(super) struct Admission<'a, R> {
    breaker: &'a Pointer<Breaker<R>>,
    ticket: Ticket,
    started: Option<Instant>,
}

impl<'a, R> Admission<'a, R> {
    #[inline(always)]
    pub(super) fn new(breaker: &'a Pointer<Breaker<R>>, ticket: Ticket) -> Self {
        Self { breaker, ticket, started: breaker.circuit.shared().start(ticket) }
    }

    #[inline(always)]
    pub(super) fn into_future<F>(self, inner: F) -> ResponseFuture<F, R> {
        let future = ResponseFuture::admitted(inner, Arc::clone(self.breaker), self.ticket, self.started);
        std::mem::forget(self);
        future
    }
}

impl<R> Drop for Admission<'_, R> {
    #[cold]
    fn drop(&mut self) {
        let shared = self.breaker.circuit.shared();
        shared.record(self.ticket, self.started, Verdict::UNKNOWN, || Some("panic".into()));
    }
}
