use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// A future whose panic is its output: while it runs, and while it is dropped.
pub(crate) struct Caught<F> {
    /// Gone once it has ended.
    inner: Option<Pin<Box<F>>>,
}

impl<F> Caught<F> {
    pub(crate) fn new(inner: F) -> Self {
        Self { inner: Some(Box::pin(inner)) }
    }

    fn clear(&mut self) {
        let inner = self.inner.take();
        // What a future says while it is dropped tells nothing of what it did.
        let _ = catch(|| drop(inner));
    }
}

impl<F: Future> Future for Caught<F> {
    type Output = Result<F::Output, String>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let inner = self.inner.as_mut().expect("it is not polled after it has ended");
        let result = match catch(|| inner.as_mut().poll(cx)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(message) => Err(message),
        };
        self.clear();
        Poll::Ready(result)
    }
}

impl<F> Drop for Caught<F> {
    fn drop(&mut self) {
        self.clear();
    }
}

/// What `f` returns, or what its panic said. What a panic leaves half done is never used again, or only dropped.
pub(crate) fn catch<T>(f: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(f)).map_err(|payload| message(&*payload))
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a message").to_owned()
}
