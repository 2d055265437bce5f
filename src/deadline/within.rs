use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use tokio::time::Instant;

use super::refusing::refusing_apart;
use super::scope::Scope;
use super::timer::Timer;

/// What `future` returns, if it ends in time. It knows the deadline while it is polled. It is none of the attempts of the
/// request that waits for it.
pub(crate) async fn within<F: Future>(deadline: Option<Instant>, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut timer = pin!(Timer::new(deadline));
    poll_fn(|cx| {
        let had_budget = timer.as_ref().has_budget();
        let scope = Scope::of_poll(deadline, cx);
        if let Poll::Ready(output) = refusing_apart(|| future.as_mut().poll(cx)) {
            return Poll::Ready(Some(output));
        }
        drop(scope);
        timer.as_mut().poll_elapsed(cx, had_budget).map(|()| None)
    })
    .await
}
