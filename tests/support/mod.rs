//! What the tests of the layers share.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod http;
pub(crate) mod listening;

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tower::Service;
use windbreak::rules::{ErrorsOnly, Idempotency, WithIdempotency};

pub(crate) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Rules that judge errors, and allow every request to be repeated.
pub(crate) type AllIdempotent<R> = WithIdempotency<ErrorsOnly, R, fn(&R) -> bool>;

pub(crate) fn all_idempotent<R>() -> AllIdempotent<R> {
    ErrorsOnly.idempotent((|_| true) as fn(&R) -> bool)
}

/// Rules that judge errors, of requests that change nothing.
pub(crate) type AllSafe<R> = WithIdempotency<ErrorsOnly, R, fn(&R) -> Idempotency>;

pub(crate) fn all_safe<R>() -> AllSafe<R> {
    ErrorsOnly.idempotent((|_| Idempotency::Safe) as fn(&R) -> Idempotency)
}

/// Notes when each call arrives. Clones share what is noted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log {
    arrivals: Arc<Mutex<Vec<Instant>>>,
}

impl Log {
    /// Notes a call, and says which one it is, counted from 1.
    pub(crate) fn note(&self) -> usize {
        let mut arrivals = self.arrivals.lock().expect("no test panics while it holds the log");
        arrivals.push(Instant::now());
        arrivals.len()
    }

    pub(crate) fn count(&self) -> usize {
        self.arrivals.lock().expect("no test panics while it holds the log").len()
    }

    /// When each call arrived.
    pub(crate) fn arrivals(&self) -> Vec<Instant> {
        self.arrivals.lock().expect("no test panics while it holds the log").clone()
    }

    /// How long it took from each call to the next.
    pub(crate) fn pauses(&self) -> Vec<Duration> {
        let arrivals = self.arrivals.lock().expect("no test panics while it holds the log");
        arrivals.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }
}

/// Says whether something was dropped.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flag(Arc<AtomicBool>);

impl Flag {
    pub(crate) fn raised_on_drop(&self) -> RaisedOnDrop {
        RaisedOnDrop(self.clone())
    }

    pub(crate) fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
pub(crate) struct RaisedOnDrop(Flag);

impl Drop for RaisedOnDrop {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

/// A service of two functions, for tests in which readiness matters.
#[derive(Clone)]
pub(crate) struct Steered<P, C> {
    pub(crate) poll_ready: P,
    pub(crate) call: C,
}

impl<R, T, E, F, P, C> Service<R> for Steered<P, C>
where
    P: FnMut(&mut Context<'_>) -> Poll<Result<(), E>>,
    C: FnMut(R) -> F,
    F: Future<Output = Result<T, E>>,
{
    type Response = T;
    type Error = E;
    type Future = F;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        (self.poll_ready)(cx)
    }

    fn call(&mut self, request: R) -> F {
        (self.call)(request)
    }
}

/// A body of one frame, which comes later.
pub(crate) struct Late(Option<oneshot::Receiver<&'static str>>);

impl Late {
    pub(crate) const fn new(frame: oneshot::Receiver<&'static str>) -> Self {
        Self(Some(frame))
    }
}

impl Body for Late {
    type Data = Bytes;
    type Error = oneshot::error::RecvError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Some(frame) = &mut self.0 else { return Poll::Ready(None) };
        let text = ready!(Pin::new(frame).poll(cx));
        self.0 = None;
        Poll::Ready(Some(text.map(|text| Frame::data(Bytes::from(text)))))
    }
}

/// Polls `future` with the task's cooperative budget used up the first time, as the 129th of many futures in one task
/// finds it.
pub(crate) async fn starved_at_first<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let mut starved = false;
    std::future::poll_fn(|cx| {
        while !starved && tokio::task::coop::has_budget_remaining() {
            let _ = std::pin::pin!(tokio::task::consume_budget()).poll(cx);
        }
        starved = true;
        future.as_mut().poll(cx)
    })
    .await
}
