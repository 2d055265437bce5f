//! The two timeouts of a stack: while that of the attempt wakes the task soon enough, the one around the request has no
//! timer of its own. It must have one whenever that is not so.

use std::future::{Pending, Ready, pending, poll_fn, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::{Instant, advance, timeout};
use tower::{Layer as _, Service, service_fn};
use windbreak::backoff::{Backoff, Jitter};
use windbreak::rules::ErrorsOnly;
use windbreak::{Error, Rejection, Stack};

use crate::support::{AllIdempotent, all_idempotent, millis, secs};

/// Attempts of 3 s, and pauses of 2 s between them.
fn stack(total: Duration) -> Stack<AllIdempotent<()>> {
    let backoff = Backoff::constant(secs(2)).jitter(Jitter::None);
    let stack = Stack::new("upstream", all_idempotent()).total_timeout(total).attempt_timeout(secs(3));
    stack.retry(|retry| retry.max_attempts(9).backoff(backoff)).build().expect("valid")
}

/// How long the call takes, and which limit it says has elapsed. It is polled only when it is woken.
async fn gives_up<T, E>(call: impl Future<Output = Result<T, Error<E>>>) -> (Duration, Duration) {
    let start = Instant::now();
    match timeout(secs(1_000), call).await.expect("somebody wakes it").map(drop) {
        Err(Error::Rejected(Rejection::Timeout { limit, .. })) => (start.elapsed(), limit),
        _ => panic!("it is a timeout"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_ends_at_its_deadline_also_within_an_attempt() {
    // A pause of 2 s that would end too late, after an attempt at 3 s or 8 s, is not begun.
    for (total, ends) in [(4, 3), (6, 6), (7, 7), (9, 8), (12, 12), (60, 43)] {
        let start = Instant::now();
        let stack = stack(secs(total));
        let call = stack.call(pending::<Result<(), &str>>);
        let error = timeout(secs(1_000), call).await.expect("somebody wakes it").unwrap_err();
        assert!(error.is_timeout() && start.elapsed() == secs(ends), "{total} s: {:?}, {error:?}", start.elapsed());
    }
}

/// Ready for one request, and never again.
#[derive(Clone)]
struct ReadyOnce {
    was_called: Arc<AtomicBool>,
}

impl Service<()> for ReadyOnce {
    type Response = ();
    type Error = &'static str;
    type Future = Pending<Result<(), &'static str>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        if self.was_called.load(Ordering::Relaxed) { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn call(&mut self, (): ()) -> Self::Future {
        self.was_called.store(true, Ordering::Relaxed);
        pending()
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_ends_at_its_deadline_while_its_next_attempt_cannot_begin() {
    let client = stack(secs(20)).layer(ReadyOnce { was_called: Arc::default() });
    assert_eq!(gives_up(client.run(())).await, (secs(20), secs(20)));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_moves_to_another_task_is_woken_there() {
    let client = stack(secs(20)).layer(service_fn(|()| pending::<Result<(), &str>>()));
    // What elapses is noticed by the second poll, and what follows is as much later. No pause fits after 18 s.
    for (polled_at, ends) in [(0, 18), (1, 18), (3, 18), (4, 19), (6, 20)] {
        let start = Instant::now();
        let mut call = Box::pin(client.run(()));
        assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        advance(secs(polled_at)).await;
        assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let task = tokio::spawn(call);
        let error = timeout(secs(1_000), task).await.expect("somebody wakes it").unwrap().unwrap_err();
        assert!(error.is_timeout(), "{error:?}");
        assert_eq!(start.elapsed(), secs(ends));
    }
}

/// A client that starts a call through a stack of its own, gives it up, and hangs.
fn hangs_after_a_call_through(
    inner: Stack<ErrorsOnly>,
) -> impl Service<(), Response = (), Error = &'static str, Future: Send> + Clone {
    service_fn(move |()| {
        let inner = inner.clone();
        async move {
            let mut call = Box::pin(inner.call(pending::<Result<(), &str>>));
            poll_fn(|cx| {
                assert!(call.as_mut().poll(cx).is_pending());
                Poll::Ready(())
            })
            .await;
            drop(call);
            pending().await
        }
    })
}

#[tokio::test(start_paused = true)]
async fn the_timers_of_a_stack_below_are_not_those_of_the_stack() {
    let below = || Stack::new("below", ErrorsOnly).attempt_timeout(millis(100));
    for below in [below().total_timeout(Duration::MAX), below().total_timeout(secs(60))] {
        let above = Stack::new("above", ErrorsOnly).without_attempt_timeout().total_timeout(secs(5)).build().unwrap();
        let client = above.layer(hangs_after_a_call_through(below.build().unwrap()));
        assert_eq!(gives_up(client.run(())).await, (secs(5), secs(5)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_response_that_comes_between_the_two_deadlines_is_delivered() {
    let respond = |()| async {
        tokio::time::sleep(millis(2_999)).await;
        Ok::<_, &str>("in time")
    };
    let client = stack(secs(20)).layer(service_fn(respond));
    assert_eq!(client.run(()).await, Ok("in time"));
}

#[tokio::test(start_paused = true)]
async fn ready_at_once_needs_no_timer() {
    let client = stack(secs(20)).layer(service_fn(|()| -> Ready<Result<_, &str>> { ready(Ok("at once")) }));
    assert_eq!(client.run(()).await, Ok("at once"));
}
