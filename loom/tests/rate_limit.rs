//! The rate limit, as callers meet it: by its handle, and by calling, polling and dropping.
//!
//! One request passes in an hour, so no time passes in a model: whoever waits is let in by a new rate, or because another
//! leaves the queue.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use interleavings::error::Error;
use interleavings::in_every_order;
use interleavings::rate_limit::{Rate, RateLimit, RateLimitLayer, RateLimited};
use loom::future::block_on;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use tower_layer::Layer as _;
use tower_service::Service;

/// Counts what passed.
#[derive(Clone, Default)]
struct Upstream(Arc<AtomicUsize>);

type Response = Result<(), Error<Infallible>>;

impl Service<u32> for Upstream {
    type Response = ();
    type Error = Error<Infallible>;
    type Future = Ready<Response>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Response> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, cost: u32) -> Self::Future {
        self.0.fetch_add(cost as usize, Ordering::AcqRel);
        ready(Ok(()))
    }
}

fn hourly(burst: u32) -> Rate {
    Rate::per_hour(1).burst(burst).unwrap()
}

/// With a queue in which everybody may wait. The request says what it costs.
fn queueing(burst: u32) -> (RateLimit, RateLimited<Upstream, impl interleavings::rate_limit::Cost<u32> + Clone>) {
    let layer = RateLimitLayer::new(hourly(burst)).max_wait(Duration::MAX).cost(|cost: &u32| *cost);
    (layer.limit().clone(), layer.layer(Upstream::default()))
}

fn poll<F: Future>(call: &mut Pin<Box<F>>) -> Poll<F::Output> {
    call.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// Waits are timers, which need a runtime to be made in.
fn in_every_order_with_timers(model: impl Fn() + Send + Sync + 'static) {
    let runtime = tokio_itself::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    in_every_order(model);
}

#[test]
fn of_those_who_come_at_once_exactly_a_burst_passes() {
    in_every_order(|| {
        let limit = RateLimit::new(hourly(2));
        let others = [(); 2].map(|()| {
            let limit = limit.clone();
            thread::spawn(move || limit.try_acquire(1).is_ok())
        });
        let mine = limit.try_acquire(1).is_ok();
        let passed = others.into_iter().map(|other| other.join().unwrap()).chain([mine]);
        assert_eq!(passed.filter(|&passed| passed).count(), 2);
        assert_eq!(limit.available(), 0);
    });
}

#[test]
fn nothing_passes_by_half_of_an_old_rate_and_half_of_a_new_one() {
    in_every_order(|| {
        // The old interval with the new burst, or the other way round, would let a thousand pass.
        let limit = RateLimit::new(Rate::per_second(1_000).burst(1).unwrap());
        let other = {
            let limit = limit.clone();
            thread::spawn(move || limit.try_acquire(500).is_ok())
        };
        limit.set(Rate::per_second(1).burst(1).unwrap());
        assert!(!other.join().unwrap());
    });
}

#[test]
fn once_a_smaller_burst_is_set_nothing_passes_by_the_old_one() {
    in_every_order(|| {
        let limit = RateLimit::new(hourly(2));
        limit.try_acquire(1).unwrap();
        let other = {
            let limit = limit.clone();
            thread::spawn(move || limit.try_acquire(1).is_ok())
        };
        // The theoretical arrival time stays what it is.
        limit.set(hourly(1));
        let wait = limit.try_acquire(1).unwrap_err().retry_after().unwrap();
        let had_passed = wait > Duration::from_secs(3600);
        assert_eq!(other.join().unwrap(), had_passed);
    });
}

#[test]
fn after_a_pause_has_begun_nothing_passes() {
    in_every_order(|| {
        let limit = RateLimit::new(hourly(2));
        let other = {
            let limit = limit.clone();
            thread::spawn(move || limit.try_acquire(1).is_ok())
        };
        limit.pause_for(Duration::from_secs(3600));
        assert!(limit.try_acquire(1).is_err());
        other.join().unwrap();
        limit.set(hourly(3));
        assert!(limit.try_acquire(1).is_err(), "a new rate does not end a pause");
    });
}

#[test]
fn one_who_joins_the_queue_as_the_rate_grows_is_not_forgotten() {
    in_every_order_with_timers(|| {
        let (limit, client) = queueing(1);
        limit.try_acquire(1).unwrap();
        let operator = {
            let limit = limit.clone();
            thread::spawn(move || limit.set(hourly(2)))
        };
        assert_eq!(block_on(client.clone().call(1)), Ok(()));
        operator.join().unwrap();
        assert_eq!((limit.available(), limit.queued()), (0, 0));
    });
}

#[test]
fn a_newcomer_never_overtakes_the_queue() {
    in_every_order_with_timers(|| {
        let (limit, client) = queueing(1);
        limit.try_acquire(1).unwrap();
        let waiting = client.clone().call(1);
        let operator = {
            let limit = limit.clone();
            thread::spawn(move || limit.set(hourly(2)))
        };
        assert!(limit.try_acquire(1).is_err());
        assert_eq!(block_on(waiting), Ok(()));
        operator.join().unwrap();
        assert_eq!((limit.available(), limit.queued()), (0, 0));
    });
}

#[test]
fn who_leaves_the_queue_lets_the_next_one_in() {
    in_every_order_with_timers(|| {
        let (limit, client) = queueing(2);
        limit.try_acquire(1).unwrap();
        // One is available: too little for the first, enough for the second.
        let first = client.clone().call(2);
        let second = client.clone().call(1);
        let leaver = thread::spawn(move || drop(first));
        assert_eq!(block_on(second), Ok(()));
        leaver.join().unwrap();
        assert_eq!((limit.available(), limit.queued()), (0, 0));
    });
}

#[test]
fn a_turn_handed_to_one_who_leaves_is_not_lost() {
    in_every_order_with_timers(|| {
        let (limit, client) = queueing(1);
        limit.try_acquire(1).unwrap();
        let mut leaving = Box::pin(client.clone().call(1));
        assert!(poll(&mut leaving).is_pending());
        let operator = {
            let limit = limit.clone();
            thread::spawn(move || limit.set(hourly(2)))
        };
        drop(leaving);
        operator.join().unwrap();
        assert_eq!((limit.available(), limit.queued()), (1, 0));
        assert!(limit.try_acquire(1).is_ok());
    });
}
