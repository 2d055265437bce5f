//! The contenders that hold to a rate: one at which everything passes, so that passing is what is measured.

use std::hint::black_box;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock, MonotonicClock};
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tower::limit::rate::{Rate as PeerRate, RateLimit as PeerLimit};
use tower::{Service, ServiceBuilder};
use windbreak::rate_limit::{Rate, RateLimit};
use windbreak::{RateLimitLayer, ServiceErrorLayer};

use crate::stacks::Callee;
use crate::task::{Alone, Named, Task, named, work};

const BILLION: u32 = 1_000_000_000;
const HOUR: Duration = Duration::from_secs(3600);

fn rate() -> Rate {
    Rate::per_second(BILLION.into()).burst(BILLION).expect("its numbers are valid")
}

type Governor<C> = RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<<C as Clock>::Instant>>;

fn governor<C: Clock>(clock: C) -> Arc<Governor<C>> {
    let billion = NonZeroU32::new(BILLION).expect("it is not zero");
    Arc::new(RateLimiter::direct_with_clock(Quota::per_second(billion), clock))
}

/// Only the question whether one may pass.
pub fn checks() -> Vec<Named> {
    vec![
        named_check("nothing", || || true),
        named_check("windbreak: try_acquire", || {
            let limit = RateLimit::new(rate());
            move || limit.try_acquire(1).is_ok()
        }),
        named_check("governor: check", || {
            let limit = governor(DefaultClock::default());
            move || limit.check().is_ok()
        }),
        named_check("governor: check, by the clock of std", || {
            let limit = governor(MonotonicClock);
            move || limit.check().is_ok()
        }),
    ]
}

/// Services. tower's is not `Clone`.
pub fn limits<S: Callee>(callee: S) -> Vec<Named> {
    let mut limits = shared_limits(callee);
    limits.push((
        "tower: RateLimit",
        Box::new(move || Box::new(Alone(PeerLimit::new(callee, PeerRate::new(u64::MAX, HOUR))))),
    ));
    limits
}

pub fn shared_limits<S: Callee>(callee: S) -> Vec<Named> {
    vec![
        named("bare call", move || callee),
        named("windbreak", move || {
            ServiceBuilder::new().layer(RateLimitLayer::new(rate())).layer(ServiceErrorLayer).service(callee)
        }),
        named("governor, checked before the call", move || Checked {
            inner: callee,
            limit: governor(DefaultClock::default()),
        }),
    ]
}

/// What one writes around governor: it has no service of its own.
#[derive(Clone)]
struct Checked<S> {
    inner: S,
    limit: Arc<Governor<DefaultClock>>,
}

impl<S: Callee> Service<u64> for Checked<S> {
    type Response = u64;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: u64) -> Self::Future {
        assert!(self.limit.check().is_ok(), "everything passes");
        self.inner.call(request)
    }
}

#[repr(align(128))]
struct Checking<F>(F);

impl<F: FnMut() -> bool + Clone + Send + 'static> Task for Checking<F> {
    fn make_calls(&mut self, calls: u64) {
        for _ in 0..calls {
            assert!(black_box((black_box(&mut self.0))()), "everything passes");
        }
    }

    fn work_and_call(&mut self, calls: u64) {
        for call in 0..calls {
            black_box(work(call));
            self.make_calls(1);
        }
    }

    fn twin(&self) -> Box<dyn Task> {
        Box::new(Self(self.0.clone()))
    }
}

fn named_check<F>(name: &'static str, make: impl Fn() -> F + 'static) -> Named
where
    F: FnMut() -> bool + Clone + Send + 'static,
{
    (name, Box::new(move || Box::new(Checking(make()))))
}
