use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Whether the relay is to end. It is asked beside each call of the store, so that a store that hangs does not hide it.
pub(super) struct Shutdown<'a, F> {
    future: Pin<&'a mut F>,
    is_over: bool,
}

impl<'a, F: Future<Output = ()>> Shutdown<'a, F> {
    pub(super) const fn new(future: Pin<&'a mut F>) -> Self {
        Self { future, is_over: false }
    }

    /// Whether it was told to end, when it was last asked.
    pub(super) const fn is_over(&self) -> bool {
        self.is_over
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        self.is_over = self.is_over || self.future.as_mut().poll(cx).is_ready();
        self.is_over
    }

    /// What `call` returns, also if the relay is told to end meanwhile.
    pub(super) async fn beside<C: Future>(&mut self, mut call: Pin<&mut C>) -> C::Output {
        poll_fn(|cx| {
            self.poll(cx);
            call.as_mut().poll(cx)
        })
        .await
    }

    /// What `call` returns, unless the relay is told to end before: then it is dropped.
    pub(super) async fn or<C: Future>(&mut self, mut call: Pin<&mut C>) -> Option<C::Output> {
        poll_fn(|cx| if self.poll(cx) { Poll::Ready(None) } else { call.as_mut().poll(cx).map(Some) }).await
    }
}
