use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;
use tower_service::Service;

use super::watch::decides;
use crate::oneshot::Oneshot;
use crate::rules::{Classify, Discard, Discarding};

/// The hedges of a request, once there is one.
pub(super) struct Race<S, Request>
where
    S: Service<Request>,
{
    in_flight: Vec<Attempt<S, Request>>,
    sent: u32,
    /// The result of the first attempt, if that has failed while hedges were in flight.
    failed: Option<Result<S::Response, S::Error>>,
    /// The responses of hedges that have failed.
    discarding: Vec<Discarding>,
}

struct Attempt<S, Request>
where
    S: Service<Request>,
{
    number: u32,
    sent_at: Instant,
    call: Pin<Box<Oneshot<S, Request>>>,
}

/// A hedge whose result is returned.
pub(super) struct Won<T, E> {
    pub(super) result: Result<T, E>,
    pub(super) number: u32,
    pub(super) took: Duration,
}

impl<S, Request> Race<S, Request>
where
    S: Service<Request>,
{
    pub(super) const fn new() -> Self {
        Self { in_flight: Vec::new(), sent: 0, failed: None, discarding: Vec::new() }
    }

    /// How many hedges were sent.
    pub(super) const fn sent(&self) -> u32 {
        self.sent
    }

    /// Sends a hedge by `service`, which is polled ready first.
    pub(super) fn send(&mut self, service: S, request: Request, now: Instant) {
        self.sent += 1;
        let call = Box::pin(Oneshot::new(service, request));
        self.in_flight.push(Attempt { number: self.sent, sent_at: now, call });
    }

    /// The first attempt has failed: the hedges decide. If none is in flight, the next poll says so.
    pub(super) fn hold(&mut self, result: Result<S::Response, S::Error>) {
        self.failed = Some(result);
    }

    /// The result of the first attempt, if it has failed.
    pub(super) fn take_failed(&mut self) -> Option<Result<S::Response, S::Error>> {
        self.failed.take()
    }

    /// The first good result of a hedge; `None` if no hedge is in flight any more.
    pub(super) fn poll<R>(&mut self, rules: &R, cx: &mut Context<'_>) -> Poll<Option<Won<S::Response, S::Error>>>
    where
        R: Classify<S::Response, S::Error> + Discard<S::Response>,
    {
        self.discarding.retain_mut(|discarding| Pin::new(discarding).poll(cx).is_pending());
        let mut place = 0;
        while let Some(attempt) = self.in_flight.get_mut(place) {
            let Poll::Ready(result) = attempt.call.as_mut().poll(cx) else {
                place += 1;
                continue;
            };
            let Attempt { number, sent_at, .. } = self.in_flight.remove(place);
            if decides(rules.classify(result.as_ref())) {
                return Poll::Ready(Some(Won { result, number, took: sent_at.elapsed() }));
            }
            if let Some(mut discarding) = result.ok().and_then(|response| rules.discard(response)) {
                if Pin::new(&mut discarding).poll(cx).is_pending() {
                    self.discarding.push(discarding);
                }
            }
        }
        if self.in_flight.is_empty() { Poll::Ready(None) } else { Poll::Pending }
    }
}
