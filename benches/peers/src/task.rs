//! A service and the loop that calls it, whatever its type.

use std::hint::black_box;
use std::task::{Context, Poll};

use tower::util::Oneshot;
use tower::{Service, ServiceExt};

use crate::harness::{await_calls, make_calls};

/// Makes calls, one after the other.
pub trait Task: Send {
    fn make_calls(&mut self, calls: u64);
    /// The same, with some work of its own before each call: two tasks that do nothing but call one stack measure how fast
    /// a cache line goes to and fro, and little else.
    fn work_and_call(&mut self, calls: u64);
    /// A clone of the service, for another thread: it shares what clones share.
    fn twin(&self) -> Box<dyn Task>;
}

/// Makes one contender, new.
pub type Make = Box<dyn Fn() -> Box<dyn Task>>;
pub type Named = (&'static str, Make);

/// Two cache lines, which processors fetch in pairs, to itself: two clones do not share what they do not share.
#[repr(align(128))]
struct Awaited<S>(S);

impl<S: Service<u64> + Clone + Send + 'static> Task for Awaited<S> {
    fn make_calls(&mut self, calls: u64) {
        await_calls(&mut self.0, calls, |request| request);
    }

    fn work_and_call(&mut self, calls: u64) {
        await_calls(&mut self.0, calls, work);
    }

    fn twin(&self) -> Box<dyn Task> {
        Box::new(Self(self.0.clone()))
    }
}

/// Its futures are polled by hand.
struct ByHand<S>(S);

impl<S: Service<u64> + Clone + Send + 'static> Task for ByHand<S> {
    fn make_calls(&mut self, calls: u64) {
        make_calls(&mut self.0, calls);
    }

    fn work_and_call(&mut self, _: u64) {
        unreachable!("it is in no race of two tasks")
    }

    fn twin(&self) -> Box<dyn Task> {
        unreachable!("it is in no race of two tasks")
    }
}

/// A service that nobody can share.
pub struct Alone<S>(pub S);

impl<S: Service<u64> + Send> Task for Alone<S> {
    fn make_calls(&mut self, calls: u64) {
        await_calls(&mut self.0, calls, |request| request);
    }

    fn work_and_call(&mut self, _: u64) {
        unreachable!("it is in no race of two tasks")
    }

    fn twin(&self) -> Box<dyn Task> {
        unreachable!("it is in no race of two tasks")
    }
}

/// Each call is made by a clone of its own, as servers do that clone their state for each request.
#[derive(Clone)]
struct ClonedForEach<S>(S);

impl<S: Service<u64> + Clone> Service<u64> for ClonedForEach<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = Oneshot<S, u64>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u64) -> Self::Future {
        self.0.clone().oneshot(request)
    }
}

/// Called as users call it.
pub fn named<S: Service<u64> + Clone + Send + 'static>(name: &'static str, make: impl Fn() -> S + 'static) -> Named {
    (name, Box::new(move || Box::new(Awaited(make()))))
}

/// Called by a clone for each call.
pub fn cloned<S: Service<u64> + Clone + Send + 'static>(name: &'static str, make: impl Fn() -> S + 'static) -> Named {
    (name, Box::new(move || Box::new(Awaited(ClonedForEach(make())))))
}

/// Polled by hand.
pub fn by_hand<S: Service<u64> + Clone + Send + 'static>(name: &'static str, make: impl Fn() -> S + 'static) -> Named {
    (name, Box::new(move || Box::new(ByHand(make()))))
}

/// Multiplications, each of which waits for the one before: about 200 ns.
const STEPS: u32 = 200;

/// Work of one's own.
#[inline(never)]
pub fn work(number: u64) -> u64 {
    let mut mixed = number;
    for _ in 0..STEPS {
        mixed = black_box(mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    }
    number + (mixed & 1)
}
