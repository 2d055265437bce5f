use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::attempts::Attempts;
use crate::boxed::Boxed;
use crate::provider::Provider;

/// Decides what happens to responses: to one that will be retried, to one that took several attempts, and to
/// one that a provider of a failover gave.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not know how to discard a `{T}`",
    label = "these rules do not know this response",
    note = "for HTTP, use `Http`; its bodies must be `Send + 'static`"
)]
pub trait Discard<T> {
    /// Discards a response that will be retried, or whose attempt lost against another. The future runs while the retry
    /// pauses, and the next attempt waits for its end; while a hedge is awaited, it runs beside it. The default drops the
    /// response at once.
    fn discard(&self, response: T) -> Option<Discarding> {
        drop(response);
        None
    }

    /// Notes in a response that is returned how many attempts it took, if it took more than one. The default does
    /// nothing.
    fn mark(&self, _response: &mut T, _attempts: &Attempts) {}

    /// Notes in a response which provider of a [failover](crate::failover) gave it. The default does nothing.
    fn mark_provider(&self, _response: &mut T, _provider: &Provider) {}
}

impl<C, T> Discard<T> for Arc<C>
where
    C: Discard<T> + ?Sized,
{
    fn discard(&self, response: T) -> Option<Discarding> {
        (**self).discard(response)
    }

    fn mark(&self, response: &mut T, attempts: &Attempts) {
        (**self).mark(response, attempts);
    }

    fn mark_provider(&self, response: &mut T, provider: &Provider) {
        (**self).mark_provider(response, provider);
    }
}

/// Discards a response that is not returned where the request ends, as far as that takes no waiting.
pub(crate) fn discard_at_once<T>(rules: &impl Discard<T>, response: T, cx: &mut Context<'_>) {
    if let Some(mut discarding) = rules.discard(response) {
        _ = Pin::new(&mut discarding).poll(cx);
    }
}

/// What remains to be done with a discarded response, such as reading its body to the end.
///
/// Dropped before it is ready, it drops the response.
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Discarding {
    future: Boxed<()>,
}

impl Discarding {
    /// Runs `future` while the retry pauses.
    pub fn new(future: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { future: Boxed::new(future) }
    }
}

impl Future for Discarding {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.future).poll(cx)
    }
}

impl fmt::Debug for Discarding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Discarding")
    }
}
