use std::pin::Pin;
use std::task::{Context, Poll};

use http::Request;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::progress::Progress;

/// A request whose body can be watched: `http::Request`, and `reqwest::Request`, which keeps its type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no body that could be watched",
    label = "`ProgressTimeoutLayer` is for requests of HTTP",
    note = "it takes `http::Request` and, with the feature `reqwest`, `reqwest::Request`"
)]
pub trait WatchBody: private::Watch {}

impl<R: private::Watch> WatchBody for R {}

pub(super) mod private {
    use super::Progress;

    /// Only this crate implements it.
    pub trait Watch {
        /// The request with a body that says how it goes.
        type Watched;

        /// Watches the body. With `None` nothing is watched; a body that is empty is not either.
        fn watch(self, watch: bool) -> (Self::Watched, Option<Progress>);
    }
}

impl<B: Body> private::Watch for Request<B> {
    type Watched = Request<WatchedBody<B>>;

    fn watch(self, watch: bool) -> (Self::Watched, Option<Progress>) {
        let progress = (watch && !self.body().is_end_stream()).then(Progress::new);
        (self.map(|body| WatchedBody { body, progress: Ends(progress.clone()) }), progress)
    }
}

#[cfg(feature = "reqwest")]
impl private::Watch for reqwest::Request {
    type Watched = Self;

    fn watch(mut self, watch: bool) -> (Self, Option<Progress>) {
        let body = self.body_mut();
        let watched = body.take_if(|body| watch && !body.is_end_stream());
        let progress = watched.is_some().then(Progress::new);
        if let Some(unwatched) = watched {
            *body = Some(reqwest::Body::wrap(WatchedBody { body: unwatched, progress: Ends(progress.clone()) }));
        }
        (self, progress)
    }
}

pin_project! {
    /// The body of a request that says how its transfer goes. Frames, trailers and the size pass through unchanged.
    #[derive(Debug)]
    pub struct WatchedBody<B> {
        #[pin]
        body: B,
        progress: Ends,
    }
}

/// However the body ends, the connection owes nothing more.
#[derive(Debug)]
struct Ends(Option<Progress>);

impl Drop for Ends {
    fn drop(&mut self) {
        if let Some(progress) = &self.0 {
            progress.is_not_sending();
        }
    }
}

impl<B: Body> Body for WatchedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let frame = this.body.poll_frame(cx);
        if let Some(progress) = &this.progress.0 {
            match &frame {
                Poll::Ready(Some(Ok(_))) => progress.is_sending(),
                _ => progress.is_not_sending(),
            }
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
