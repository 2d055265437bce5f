use std::fmt;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

/// A future of any type, for what is off the healthy path. Shareable, so that the futures of the layers are.
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub(crate) struct Boxed<T> {
    /// Locked by nobody: the lock makes it `Sync`.
    future: Mutex<Pin<Box<dyn Future<Output = T> + Send>>>,
}

impl<T> Boxed<T> {
    pub(crate) fn new(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self { future: Mutex::new(Box::pin(future)) }
    }
}

impl<T> Future for Boxed<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        self.future.get_mut().unwrap_or_else(PoisonError::into_inner).as_mut().poll(cx)
    }
}

impl<T> fmt::Debug for Boxed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Boxed")
    }
}
