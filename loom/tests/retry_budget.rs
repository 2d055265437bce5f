//! The retry budget, as requests meet it: one that is given a retry pauses, one that is not has its answer at once.

use std::future::{Ready, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use interleavings::error::Error;
use interleavings::in_every_order;
use interleavings::retry::{Retry, RetryBudget, RetryLayer, RetryPolicy};
use interleavings::rules::{ErrorsOnly, WithIdempotency};
use loom::thread;
use tower_layer::Layer as _;
use tower_service::Service;

/// Does what the request says: `true` is a success.
#[derive(Clone)]
struct Obedient;

type Answer = Result<(), Error<()>>;

impl Service<bool> for Obedient {
    type Response = ();
    type Error = Error<()>;
    type Future = Ready<Answer>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error<()>>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, succeeds: bool) -> Self::Future {
        ready(if succeeds { Ok(()) } else { Err(Error::Service(())) })
    }
}

type Client = Retry<Obedient, WithIdempotency<ErrorsOnly, bool, fn(&bool) -> bool>>;

fn client(budget: &RetryBudget) -> Client {
    let policy = RetryPolicy::builder()
        .max_attempts(2)
        .backoff(Duration::from_secs(3600))
        .budget(budget.clone())
        .build()
        .unwrap();
    let repeatable: fn(&bool) -> bool = |_| true;
    RetryLayer::new(policy, ErrorsOnly.idempotent(repeatable)).layer(Obedient)
}

/// Makes a request that fails. Whether it is given a retry.
fn is_retried(client: &Client) -> bool {
    let answer = pin!(client.clone().call(false));
    answer.poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

fn succeed(client: &Client) {
    let answer = pin!(client.clone().call(true));
    assert!(answer.poll(&mut Context::from_waker(Waker::noop())).is_ready());
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
        let client = client(&budget);
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
fn a_request_counts_once_also_if_two_tell_of_it_at_once() {
    in_every_order_with_timers(|| {
        let budget = RetryBudget::new(0.5, 0).unwrap();
        let client = client(&budget);
        for _ in 1..=30 {
            succeed(&client);
        }
        // The 32nd request tells of all so far, and so does whoever asks for a retry.
        let other = thread::spawn({
            let client = client.clone();
            move || is_retried(&client)
        });
        let mut retries = u32::from(is_retried(&client)) + u32::from(other.join().unwrap());

        let mut requests = 32;
        loop {
            requests += 1;
            let is_paid = is_retried(&client);
            assert_eq!(is_paid, 2 * (retries + 1) <= requests, "{retries} retries of {requests} requests");
            if !is_paid {
                break;
            }
            retries += 1;
        }
    });
}
