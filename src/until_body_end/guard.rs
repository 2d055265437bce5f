use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::error::Rejection;

/// What a layer holds for one request. Dropped unsettled, the request was cancelled.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not what a layer of windbreak holds for a request",
    label = "not a guard",
    note = "only the timeout, the circuit breaker and the bulkhead make guards, by `until_body_end()`"
)]
pub trait Guard: Sealed + Unpin {
    /// The request came to a good end.
    fn complete(self);

    /// It broke off with an error.
    fn fail(self);

    /// Whether its time is up. Asked before the body is read, so that a body that is always ready ends too.
    fn is_over(&self) -> Option<Rejection> {
        None
    }

    /// The same, asked while the body makes its reader wait: `Pending` wakes the task when the time is up. `had_budget`
    /// says whether the task had any of its cooperative budget left when it asked the body.
    fn poll_over(&mut self, _cx: &mut Context<'_>, _had_budget: bool) -> Poll<Rejection> {
        Poll::Pending
    }

    /// A frame of the body has come.
    fn frame(&mut self) {}

    /// The caller did not read for this long: that is not the time of the upstream.
    fn exclude(&mut self, _unread: Duration) {}
}

/// A response future that can hand over what it holds.
#[diagnostic::on_unimplemented(
    message = "`until_body_end()` is for a timeout, a circuit breaker or a bulkhead",
    label = "this future holds nothing until the end of a body",
    note = "put `.until_body_end()` directly on the `TimeoutLayer`, `CircuitBreakerLayer` or `BulkheadLayer`"
)]
pub trait Hold: Future + Sealed {
    /// What it holds.
    type Guard: Guard;

    /// Polls for the response, and for the guard unless it is settled already.
    fn poll_hold(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<(Self::Output, Option<Self::Guard>)>;
}

/// Only this crate implements it.
pub trait Sealed {}
