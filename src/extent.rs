//! How long a request lasts: to the head of the answer, or to the end of its body.

use std::task::{Context, Poll};

use crate::error::Rejection;

/// How long a layer takes a request to last.
///
/// [`UntilHead`] is the default of every layer; `UntilBodyEnd` (feature `http`) is the other.
pub trait Extent<T, G> {
    /// The response, with the guard inside if it outlives the head.
    type Response;

    /// Settles the guard, or hands it on with the response.
    fn settle(response: T, guard: G) -> Self::Response;
}

/// A request lasts until its answer is there. What the answer still streams is not covered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UntilHead;

impl<T, G: Guard> Extent<T, G> for UntilHead {
    type Response = T;

    #[inline]
    fn settle(response: T, guard: G) -> T {
        guard.complete();
        response
    }
}

/// What a layer holds for a request that is under way. Dropped unsettled, the request was cancelled.
pub trait Guard: Sized + Unpin {
    /// The request came to a good end.
    fn complete(self);

    /// It broke off with an error.
    fn fail(self);

    /// Whether its time is up. Asked only while the request makes no progress; `had_budget` says whether the task had
    /// any of its cooperative budget left when it asked for that progress.
    fn poll_expired(&mut self, _cx: &mut Context<'_>, _had_budget: bool) -> Poll<Rejection> {
        Poll::Pending
    }
}
