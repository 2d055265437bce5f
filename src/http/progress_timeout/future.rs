use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::task::coop::has_budget_remaining;
use tokio::time::{Sleep, sleep};

use super::limits::Limits;
use super::progress::{Progress, ReadTimer};
use crate::deadline::poll_sleep;
use crate::error::{Rejectable, Rejection};
use crate::until_body_end::GuardBody;

/// tokio's timers count in milliseconds.
const TICK: Duration = Duration::from_millis(1);

pin_project! {
    /// The response of a [`ProgressTimeout`](super::ProgressTimeout).
    ///
    /// # Panics
    ///
    /// If an upload is not sent at once and there is no tokio runtime with its timer enabled.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it drops the inner future and its timer.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        limits: Limits,
        // `None` if there is no upload to watch.
        progress: Option<Progress>,
        sleep: Option<Pin<Box<Sleep>>>,
        is_head: bool,
    }
}

impl<F> ResponseFuture<F> {
    pub(super) const fn new(inner: F, limits: Limits, progress: Option<Progress>, is_head: bool) -> Self {
        Self { inner, limits, progress, sleep: None, is_head }
    }
}

impl<F, T, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: Rejectable,
    T: GuardBody<ReadTimer>,
{
    type Output = Result<T::Guarded, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let had_budget = has_budget_remaining();
        if let Poll::Ready(result) = this.inner.poll(cx) {
            let timer = this.limits.read.map(ReadTimer::new);
            return Poll::Ready(result.map(|response| response.guard_body(timer, *this.is_head, None)));
        }
        let (Some(progress), Some(limit)) = (this.progress.as_ref(), this.limits.write) else { return Poll::Pending };
        loop {
            // While the body makes the connection wait, there is nothing to time; but the connection does not wake this
            // task when that changes, so it looks again after a whole limit. With one of zero, after the next tick of the
            // timer: it would look again at once, for ever.
            let left = progress.left(limit);
            if left.is_some_and(|left| left.is_zero()) {
                return Poll::Ready(Err(Rejection::timeout(limit).into()));
            }
            let left = left.unwrap_or(limit.max(TICK));
            let sleep = this.sleep.get_or_insert_with(|| Box::pin(sleep(left)));
            if sleep.is_elapsed() {
                sleep.set(tokio::time::sleep(left));
            }
            ready!(poll_sleep(sleep.as_mut(), cx, had_budget));
        }
    }
}
