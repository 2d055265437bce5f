use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use super::rules::{Http, HttpRules};
use crate::attempts::Attempts;
use crate::deadline::{Timer, end_of};
use crate::provider::Provider;
use crate::rules::{Discard, Discarding};

/// How many frames are read before the clock is asked and other tasks have their turn: a body may be always ready, and
/// empty frames use up no bytes. A body of 64 KiB mostly has fewer.
const FRAMES_AT_ONCE: usize = 64;

/// How much is read of a response that will be retried, so that its connection can be used again.
///
/// A response that is dropped before its body has ended closes its HTTP/1 connection, and each retry opens a new one: just
/// when the server is least able to bear it. So the body is read to its end, within bounds, while the retry pauses: at most
/// 64 KiB, for at most 50 ms. Beyond that a new connection is cheaper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drain {
    max_bytes: u64,
    max_time: Duration,
}

impl Drain {
    /// Reads at most 64 KiB, for at most 50 ms.
    #[must_use]
    pub const fn new() -> Self {
        Self { max_bytes: 64 * 1024, max_time: Duration::from_millis(50) }
    }

    /// How many bytes are read at most.
    #[must_use]
    pub const fn max_bytes(self, max_bytes: u64) -> Self {
        Self { max_bytes, ..self }
    }

    /// How long is read at most. The next attempt waits for the end of it.
    #[must_use]
    pub const fn max_time(self, max_time: Duration) -> Self {
        Self { max_time, ..self }
    }

    /// `None` if there is nothing to be read, or if it is known to be too long.
    fn drain<B>(self, body: B) -> Option<Discarding>
    where
        B: Body + Send + 'static,
    {
        let begin = !body.is_end_stream() && body.size_hint().lower() <= self.max_bytes;
        let timer = Timer::new(end_of(self.max_time));
        begin.then(|| Discarding::new(DrainFuture { body: Some(body), left: self.max_bytes, timer }))
    }
}

impl Default for Drain {
    fn default() -> Self {
        Self::new()
    }
}

impl<B> Discard<Response<B>> for HttpRules
where
    B: Body + Send + 'static,
{
    fn discard(&self, response: Response<B>) -> Option<Discarding> {
        self.drain.drain(response.into_body())
    }

    fn mark(&self, response: &mut Response<B>, attempts: &Attempts) {
        response.extensions_mut().insert(attempts.clone());
    }

    fn mark_provider(&self, response: &mut Response<B>, provider: &Provider) {
        response.extensions_mut().insert(provider.clone());
    }
}

#[cfg(feature = "reqwest")]
impl Discard<reqwest::Response> for HttpRules {
    fn discard(&self, response: reqwest::Response) -> Option<Discarding> {
        self.drain.drain(Response::from(response).into_body())
    }

    fn mark(&self, response: &mut reqwest::Response, attempts: &Attempts) {
        response.extensions_mut().insert(attempts.clone());
    }

    fn mark_provider(&self, response: &mut reqwest::Response, provider: &Provider) {
        response.extensions_mut().insert(provider.clone());
    }
}

impl<B> Discard<Response<B>> for Http
where
    B: Body + Send + 'static,
{
    fn discard(&self, response: Response<B>) -> Option<Discarding> {
        Drain::new().drain(response.into_body())
    }

    fn mark(&self, response: &mut Response<B>, attempts: &Attempts) {
        response.extensions_mut().insert(attempts.clone());
    }

    fn mark_provider(&self, response: &mut Response<B>, provider: &Provider) {
        response.extensions_mut().insert(provider.clone());
    }
}

#[cfg(feature = "reqwest")]
impl Discard<reqwest::Response> for Http {
    fn discard(&self, response: reqwest::Response) -> Option<Discarding> {
        Drain::new().drain(Response::from(response).into_body())
    }

    fn mark(&self, response: &mut reqwest::Response, attempts: &Attempts) {
        response.extensions_mut().insert(attempts.clone());
    }

    fn mark_provider(&self, response: &mut reqwest::Response, provider: &Provider) {
        response.extensions_mut().insert(provider.clone());
    }
}

pin_project! {
    /// Reads a body to its end.
    struct DrainFuture<B> {
        #[pin]
        body: Option<B>,
        left: u64,
        #[pin]
        timer: Timer,
    }
}

impl<B: Body> Future for DrainFuture<B> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        if let Some(body) = this.body.as_mut().as_pin_mut() {
            if poll_end(body, this.left, cx).is_pending() {
                // Whatever the budget: a body that is given up too early costs a connection, no more.
                ready!(this.timer.as_mut().poll_elapsed(cx, true));
            }
        }
        this.body.set(None);
        Poll::Ready(())
    }
}

/// Reads until the body has ended, broken off, or has more than is `left` to be read.
fn poll_end<B: Body>(mut body: Pin<&mut B>, left: &mut u64, cx: &mut Context<'_>) -> Poll<()> {
    for _ in 0..FRAMES_AT_ONCE {
        let Some(Ok(frame)) = ready!(body.as_mut().poll_frame(cx)) else { return Poll::Ready(()) };
        let read = frame.data_ref().map_or(0, |data| bytes::Buf::remaining(data) as u64);
        match left.checked_sub(read) {
            Some(rest) => *left = rest,
            None => return Poll::Ready(()),
        }
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}
