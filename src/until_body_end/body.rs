use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::{io, mem};

use http::header::{CONTENT_LENGTH, HeaderMap};
use http::{Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::task::coop::has_budget_remaining;
use tokio::time::Instant;

use super::guard::{Guard, Sealed};
use crate::error::Rejection;
use crate::rules::Verdict;

/// Boxed error, as tower has it.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Says what the trailers of a response tell of the upstream.
pub type JudgeTrailers = fn(&HeaderMap) -> Verdict;

/// A response whose body can be made to carry a guard: `http::Response`, and `reqwest::Response`, which keeps its type.
/// Sealed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no body that could hold a guard",
    label = "`until_body_end` is for responses of HTTP",
    note = "it takes `http::Response` and, with the feature `reqwest`, `reqwest::Response`"
)]
pub trait GuardBody<G>: Sealed {
    /// The response with the guard inside.
    type Guarded;

    /// Puts the guard into the body. If there is none, or it has ended already, the guard is settled at once.
    fn guard_body(self, guard: Option<G>, is_head: bool, judge: Option<JudgeTrailers>) -> Self::Guarded;
}

impl<B> Sealed for Response<B> {}

impl<B: Body, G: Guard> GuardBody<G> for Response<B> {
    type Guarded = Response<GuardedBody<B, G>>;

    fn guard_body(self, guard: Option<G>, is_head: bool, judge: Option<JudgeTrailers>) -> Self::Guarded {
        let bodiless = is_head || has_no_body(self.status(), self.headers());
        self.map(|body| GuardedBody::new(body, guard, bodiless, judge))
    }
}

#[cfg(feature = "reqwest")]
impl Sealed for reqwest::Response {}

/// Through `http::Response` and back. Its URL would be lost on the way, so it is carried over.
#[cfg(feature = "reqwest")]
impl<G: Guard + Send + Sync + 'static> GuardBody<G> for reqwest::Response {
    type Guarded = Self;

    fn guard_body(self, guard: Option<G>, is_head: bool, judge: Option<JudgeTrailers>) -> Self {
        use reqwest::ResponseBuilderExt as _;

        let Some(guard) = guard else { return self };
        if is_head || has_no_body(self.status(), self.headers()) {
            guard.complete();
            return self;
        }
        let url = Response::builder().url(self.url().clone()).body(());
        let mut response =
            Response::from(self).map(|body| reqwest::Body::wrap(GuardedBody::new(body, Some(guard), false, judge)));
        if let Ok(url) = url {
            response.extensions_mut().extend(url.into_parts().0.extensions);
        }
        response.into()
    }
}

/// A body that decompresses never says that it has ended before it is read, so the head has to say it
/// ([RFC 9110, section 6.4.1](https://www.rfc-editor.org/rfc/rfc9110#section-6.4.1)).
fn has_no_body(status: StatusCode, headers: &HeaderMap) -> bool {
    status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED
        || headers.get(CONTENT_LENGTH).is_some_and(|length| length == "0")
}

pin_project! {
    /// A body that settles what a layer holds for the request when it ends.
    ///
    /// At the end of the stream, after trailers, or as soon as the body says that it has ended, the request is complete;
    /// so it is if the caller drops the body. An error, or a panic, fails it. Frames, trailers and the size pass through
    /// unchanged, until a timeout elapses: then the body is dropped, and an error is its last frame.
    #[derive(Debug)]
    pub struct GuardedBody<B, G>
    where
        G: Guard,
    {
        // `None` once a timeout has elapsed.
        #[pin]
        body: Option<B>,
        guard: Held<G>,
        // When the last frame was handed out: until the next poll, the caller does not read.
        unread_since: Option<Instant>,
        judge: Option<JudgeTrailers>,
    }
}

/// The guard, until it is settled. Dropped with the body it is complete: the caller wanted no more of a good response.
#[derive(Debug)]
struct Held<G: Guard>(Option<G>);

impl<G: Guard> Held<G> {
    fn settle(&mut self, how: impl FnOnce(G)) {
        if let Some(guard) = self.0.take() {
            how(guard);
        }
    }
}

impl<G: Guard> Drop for Held<G> {
    fn drop(&mut self) {
        self.settle(G::complete);
    }
}

/// A body that is polled. Dropped, which only a panic does, it has failed.
struct Polling<'a, G: Guard>(&'a mut Held<G>);

impl<G: Guard> Drop for Polling<'_, G> {
    #[cold]
    fn drop(&mut self) {
        self.0.settle(G::fail);
    }
}

impl<B: Body, G: Guard> GuardedBody<B, G> {
    fn new(body: B, guard: Option<G>, bodiless: bool, judge: Option<JudgeTrailers>) -> Self {
        let mut guard = Held(guard);
        if bodiless || body.is_end_stream() {
            guard.settle(G::complete);
        }
        let unread_since = guard.0.is_some().then(Instant::now);
        Self { body: Some(body), guard, unread_since, judge }
    }
}

impl<B: Body, G: Guard> GuardedBody<B, G> {
    /// Drops the body. An error is its last frame.
    fn break_off<T>(self: Pin<&mut Self>, rejection: Rejection) -> Poll<Option<Result<T, BoxError>>> {
        let mut this = self.project();
        this.guard.settle(G::fail);
        this.body.set(None);
        Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::TimedOut, rejection).into())))
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

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let mut this = self.as_mut().project();
        if let Some(guard) = &mut this.guard.0 {
            if let Some(since) = this.unread_since.take() {
                guard.exclude(since.elapsed());
            }
            if let Some(rejection) = guard.is_over() {
                return self.break_off(rejection);
            }
        }
        let had_budget = has_budget_remaining();
        let Some(mut body) = this.body.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        let polling = Polling(this.guard);
        let polled = body.as_mut().poll_frame(cx);
        mem::forget(polling);
        let Poll::Ready(frame) = polled else {
            let Some(guard) = &mut this.guard.0 else { return Poll::Pending };
            let rejection = ready!(guard.poll_over(cx, had_budget));
            return self.break_off(rejection);
        };
        match &frame {
            None => this.guard.settle(G::complete),
            Some(Err(_)) => this.guard.settle(G::fail),
            Some(Ok(frame)) if frame.is_trailers() || body.is_end_stream() => {
                let verdict = frame.trailers_ref().zip(*this.judge).map(|(trailers, judge)| judge(trailers));
                match verdict {
                    Some(Verdict::Failure(_)) => this.guard.settle(G::fail),
                    _ => this.guard.settle(G::complete),
                }
            }
            Some(Ok(_)) => {
                if let Some(guard) = &mut this.guard.0 {
                    guard.frame();
                    *this.unread_since = Some(Instant::now());
                }
            }
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
