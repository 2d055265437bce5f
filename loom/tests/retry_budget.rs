//! The retry budget, as requests meet it: one that is given a retry pauses, one that is not has its answer at once.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use interleavings::error::Error;
use interleavings::in_every_order;
use interleavings::retry::{Retry, RetryBudget, RetryLayer, RetryPolicy};
use loom::thread;
use tower_layer::Layer as _;
use tower_service::Service;

#[derive(Clone)]
struct Down;

type Answer = Result<Infallible, Error<()>>;

impl Service<()> for Down {
    type Response = Infallible;
    type Error = Error<()>;
    type Future = Ready<Answer>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error<()>>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        ready(Err(Error::Service(())))
    }
}

fn client(max_attempts: u32, budget: &RetryBudget) -> Retry<Down> {
    let policy = RetryPolicy::builder()
        .max_attempts(max_attempts)
        .backoff(Duration::from_secs(3600))
        .assume_idempotent(true)
        .budget(budget.clone())
        .build()
        .unwrap();
    RetryLayer::new(policy).layer(Down)
}

/// Makes a request that fails. Whether it is given a retry.
fn is_retried(client: &Retry<Down>) -> bool {
    let answer = pin!(client.clone().call(()));
    answer.poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

/// The pauses are timers, which need a runtime to be made in.
fn in_every_order_with_timers(model: impl Fn() + Send + Sync + 'static) {
    let runtime = tokio_itself::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    in_every_order(model);
}

#[test]
fn requests_that_race_for_the_last_retry_do_not_overspend() {
    in_every_order_with_timers(|| {
        // Three requests make six tenths of a retry, and the floor one more.
        let budget = RetryBudget::new(0.2, 1).unwrap();
        let client = client(2, &budget);
        let others = [(); 2].map(|()| {
            let client = client.clone();
            thread::spawn(move || is_retried(&client))
        });
        let mine = is_retried(&client);
        let retries = others.into_iter().map(|other| other.join().unwrap()).chain([mine]);

        assert_eq!(retries.filter(|&retried| retried).count(), 1);
    });
}

#[test]
fn a_request_counts_once_also_if_two_enter_it_at_once() {
    in_every_order_with_timers(|| {
        let budget = RetryBudget::new(0.5, 0).unwrap();
        let (once, twice) = (client(1, &budget), client(2, &budget));
        for _ in 1..64 {
            assert!(!is_retried(&once));
        }
        // The 64th request enters all so far, and so does whoever asks for a retry.
        let other = thread::spawn(move || is_retried(&once));
        assert!(is_retried(&twice));
        assert!(!other.join().unwrap());

        let (mut requests, mut retries) = (65, 1);
        loop {
            requests += 1;
            let is_paid = is_retried(&twice);
            assert_eq!(is_paid, 2 * (retries + 1) <= requests, "{retries} retries of {requests} requests");
            if !is_paid {
                break;
            }
            retries += 1;
        }
    });
}
