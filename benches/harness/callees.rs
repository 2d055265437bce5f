//! The services at the bottom: as trivial as they can be, so that the layers are what is measured.

use std::fmt;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use tower::Service;

/// The error of a callee.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Failed;

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("failed")
    }
}

impl std::error::Error for Failed {}

/// Answers each request at once: one in `N` with an error, none if `N` is zero.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FailsOneIn<const N: u64>;

pub(crate) const HEALTHY: FailsOneIn<0> = FailsOneIn;
pub(crate) const FAILING: FailsOneIn<1> = FailsOneIn;

impl<const N: u64> Service<u64> for FailsOneIn<N> {
    type Response = u64;
    type Error = Failed;
    type Future = Ready<Result<u64, Failed>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u64) -> Self::Future {
        let fails = N > 0 && request % N.max(1) == 0;
        ready(if fails { Err(Failed) } else { Ok(request) })
    }
}

/// Answers when it is asked for the second time, as a call does that has to wait for anything at all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PendsOnce;

#[derive(Debug)]
pub(crate) struct SecondTime {
    request: u64,
    asked: bool,
}

impl Service<u64> for PendsOnce {
    type Response = u64;
    type Error = Failed;
    type Future = SecondTime;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u64) -> SecondTime {
        SecondTime { request, asked: false }
    }
}

impl Future for SecondTime {
    type Output = Result<u64, Failed>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        if std::mem::replace(&mut self.asked, true) { Poll::Ready(Ok(self.request)) } else { Poll::Pending }
    }
}
