//! How long a request lasts: to the head of the answer, or to the end of its body.

use std::task::{Context, Poll};

use crate::error::Rejection;

/// How long a layer takes a request to last.
///
/// [`UntilHead`] is the default of every layer; `UntilBodyEnd` (feature `http`) is the other.
pub trait Extent<T, G> {
    /// The response, with the guard inside if it outlives the head.
    type Response;

    /// Settles the guard in its place, or takes it out and hands it on with the response.
    fn settle(response: T, guard: &mut Option<G>) -> Self::Response;
}

/// A request lasts until its answer is there. What the answer still streams is not covered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UntilHead;

impl<T, G: Guard> Extent<T, G> for UntilHead {
    type Response = T;

    #[inline]
    fn settle(response: T, guard: &mut Option<G>) -> T {
        if let Some(guard) = guard {
            guard.complete();
        }
        response
    }
}

/// What a layer holds for a request that is under way. Dropped unsettled, the request was cancelled; once settled, it
/// holds nothing.
pub trait Guard: Unpin {
    /// The request came to a good end.
    fn complete(&mut self);

    /// It broke off with an error.
    fn fail(&mut self);

    /// Whether its time is up. Asked only while the request makes no progress; `had_budget` says whether the task had
    /// any of its cooperative budget left when it asked for that progress.
    fn poll_expired(&mut self, _cx: &mut Context<'_>, _had_budget: bool) -> Poll<Rejection> {
        Poll::Pending
    }
}
