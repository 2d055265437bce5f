use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::error::Rejection;

/// What a layer holds for one request. Dropped unsettled, the request was cancelled.
pub trait Guard: Sealed + Unpin {
    /// The request came to a good end.
    fn complete(self);

    /// It broke off with an error.
    fn fail(self);

    /// Whether its time is up: asked before the body is read. `Pending` wakes the task when it is.
    fn poll_expired(&mut self, _cx: &mut Context<'_>) -> Poll<Rejection> {
        Poll::Pending
    }

    /// The caller did not read for this long: that is not the time of the upstream.
    fn exclude(&mut self, _unread: Duration) {}
}

/// A response future that can hand over what it holds.
pub trait Hold: Future + Sealed {
    /// What it holds.
    type Guard: Guard;

    /// Polls for the response, and for the guard unless it is settled already.
    fn poll_hold(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<(Self::Output, Option<Self::Guard>)>;
}

/// Only this crate implements it.
pub trait Sealed {}
