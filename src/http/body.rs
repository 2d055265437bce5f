use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::task::coop::has_budget_remaining;

use crate::bulkhead::BulkheadLayer;
use crate::circuit_breaker::CircuitBreakerLayer;
use crate::extent::{Extent, Guard};
use crate::timeout::TimeoutLayer;

/// Boxed error, as tower has it.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A request lasts until the body of its answer has ended. See
/// [`BulkheadLayer::until_body_end`](crate::BulkheadLayer::until_body_end) and its likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UntilBodyEnd;

impl<U> BulkheadLayer<U> {
    /// Holds the place until the body of the answer has ended, or was dropped: right where the bodies are the work.
    #[must_use]
    pub fn until_body_end(self) -> BulkheadLayer<UntilBodyEnd> {
        self.with_extent()
    }
}

impl<C, U> CircuitBreakerLayer<C, U> {
    /// Records a call once the body of its answer has ended: one that breaks off counts as failed, and the time that it
    /// takes as part of the call. An answer whose head is a failure is recorded at once.
    #[must_use]
    pub fn until_body_end(self) -> CircuitBreakerLayer<C, UntilBodyEnd> {
        self.with_extent()
    }
}

impl<U> TimeoutLayer<U> {
    /// Bounds the body of the answer too: it breaks off with a [`Rejection::Timeout`](crate::Rejection::Timeout) as its
    /// error. Not for streams that are meant to go on.
    #[must_use]
    pub fn until_body_end(self) -> TimeoutLayer<UntilBodyEnd> {
        self.with_extent()
    }
}

/// A response whose body can be made to carry a guard: `http::Response`, and `reqwest::Response`, which keeps its type.
pub trait GuardBody<G> {
    /// The response with the guard inside.
    type Guarded;

    /// Puts the guard into the body. If that has ended already, the guard is settled at once.
    fn guard_body(self, guard: Option<G>) -> Self::Guarded;
}

impl<T, G> Extent<T, G> for UntilBodyEnd
where
    T: GuardBody<G>,
{
    type Response = T::Guarded;

    fn settle(response: T, guard: &mut Option<G>) -> T::Guarded {
        response.guard_body(guard.take())
    }
}

impl<B: Body, G: Guard> GuardBody<G> for Response<B> {
    type Guarded = Response<GuardedBody<B, G>>;

    fn guard_body(self, guard: Option<G>) -> Self::Guarded {
        self.map(|body| GuardedBody::new(body, guard))
    }
}

/// Through `http::Response` and back. Its URL would be lost on the way, so it is carried over.
#[cfg(feature = "reqwest")]
impl<G: Guard + Send + Sync + 'static> GuardBody<G> for reqwest::Response {
    type Guarded = Self;

    fn guard_body(self, guard: Option<G>) -> Self {
        use reqwest::ResponseBuilderExt as _;

        let url = Response::builder().url(self.url().clone()).body(());
        let mut response = Response::from(self).map(|body| reqwest::Body::wrap(GuardedBody::new(body, guard)));
        if let Ok(url) = url {
            response.extensions_mut().extend(url.into_parts().0.extensions);
        }
        response.into()
    }
}

pin_project! {
    /// A body that settles what a layer holds for the request when it ends.
    ///
    /// At the end of the stream, after trailers, or as soon as the body says that it has ended, the request is complete;
    /// an error fails it; dropped before, it was cancelled. Frames, trailers and the size pass through unchanged.
    #[derive(Debug)]
    pub struct GuardedBody<B, G> {
        #[pin]
        body: B,
        // `None` once it is settled.
        guard: Option<G>,
    }
}

impl<B: Body, G: Guard> GuardedBody<B, G> {
    fn new(body: B, mut guard: Option<G>) -> Self {
        if body.is_end_stream() {
            settle(&mut guard, Guard::complete);
        }
        Self { body, guard }
    }
}

impl<B, G> Body for GuardedBody<B, G>
where
    B: Body,
    B::Error: Into<BoxError>,
    G: Guard,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let mut this = self.project();
        let had_budget = has_budget_remaining();
        let Poll::Ready(frame) = this.body.as_mut().poll_frame(cx) else {
            let Some(guard) = this.guard else { return Poll::Pending };
            let rejection = ready!(guard.poll_expired(cx, had_budget));
            settle(this.guard, Guard::fail);
            return Poll::Ready(Some(Err(rejection.into())));
        };
        match &frame {
            None => settle(this.guard, Guard::complete),
            Some(Err(_)) => settle(this.guard, Guard::fail),
            Some(Ok(frame)) if frame.is_trailers() || this.body.is_end_stream() => {
                settle(this.guard, Guard::complete);
            }
            Some(Ok(_)) => {}
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn settle<G>(guard: &mut Option<G>, how: impl FnOnce(&mut G)) {
    if let Some(mut guard) = guard.take() {
        how(&mut guard);
    }
}
