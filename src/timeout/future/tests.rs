use std::future::{Pending, pending};
use std::pin::pin;

use tokio::time::{Instant, sleep, timeout};
use tower::{Layer as _, Service as _, ServiceExt as _, service_fn};

use super::*;
use crate::Error;
use crate::timeout::TimeoutLayer;

type Response = Result<(), Error<()>>;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// An attempt that hangs, and is given up after `limit`.
async fn attempt(limit: u64) -> Response {
    let layer = TimeoutLayer::new(seconds(limit)).for_an_attempt();
    layer.layer(service_fn(|()| -> Pending<Response> { pending() })).oneshot(()).await
}

#[tokio::test(start_paused = true)]
async fn there_is_one_timer_while_that_of_the_attempt_elapses_first() {
    for (limit, has_timer) in [(1, false), (5, false), (6, true), (u64::MAX, true)] {
        let mut stack = TimeoutLayer::new(seconds(5)).around_attempts().layer(service_fn(|()| attempt(limit)));
        let mut call = pin!(stack.call(()));
        assert!(call.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop())).is_pending());
        assert_eq!(matches!(call.timer, Timer::Set { .. }), has_timer, "an attempt of {limit} s");
    }
}

/// Whatever follows an attempt, in the same poll or a later one.
#[tokio::test(start_paused = true)]
async fn the_timer_of_an_attempt_that_has_ended_is_not_relied_upon() {
    for pause in [0, 1] {
        let around = TimeoutLayer::new(seconds(5)).around_attempts().layer(service_fn(|()| async move {
            let _elapsed = attempt(1).await;
            if pause > 0 {
                sleep(seconds(pause)).await;
            }
            pending::<Response>().await
        }));
        let start = Instant::now();
        let result = timeout(seconds(1_000), around.oneshot(())).await.expect("somebody wakes it");
        assert!(result.is_err_and(|error| error.is_timeout()) && start.elapsed() == seconds(5));
    }
}
