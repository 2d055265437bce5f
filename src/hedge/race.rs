use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;
use tower_service::Service;

use super::watch::decides;
use crate::error::{Rejectable, effect_of_rejection};
use crate::oneshot::Oneshot;
use crate::rules::{Classify, Discard, Discarding, Effect, Failure, Verdict};

type Answer<S, Request> = Result<<S as Service<Request>>::Response, <S as Service<Request>>::Error>;

/// The hedges of a request, once there is one.
pub(super) struct Race<S, Request>
where
    S: Service<Request>,
{
    in_flight: Vec<Attempt<S, Request>>,
    sent: u32,
    /// Whether the request changes nothing.
    is_safe: bool,
    /// The result of the first attempt, if that has failed while hedges were in flight.
    failed: Option<Answer<S, Request>>,
    /// That of the hedge whose failure tells the most, of those that may have taken effect.
    unclear: Option<Unclear<Answer<S, Request>>>,
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

struct Unclear<T> {
    number: u32,
    result: T,
    tells: Tells,
}

/// What an attempt that was not good tells of its effect. The greater is not to be hidden by the lesser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Tells {
    ItDidNothing,
    Nothing,
    ItMayHaveActed,
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
    S::Error: Rejectable,
{
    pub(super) const fn new(is_safe: bool) -> Self {
        Self { in_flight: Vec::new(), sent: 0, is_safe, failed: None, unclear: None, discarding: Vec::new() }
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
    pub(super) fn hold(&mut self, result: Answer<S, Request>) {
        self.failed = Some(result);
    }

    /// The result of the first attempt, if it has failed.
    pub(super) fn take_failed(&mut self) -> Option<Answer<S, Request>> {
        self.failed.take()
    }

    /// What is returned where no attempt was good, and the number of the attempt: `first`, unless a hedge tells more.
    pub(super) fn outcome<R>(&mut self, rules: &R, first: Answer<S, Request>) -> (Answer<S, Request>, u32)
    where
        R: Classify<S::Response, S::Error>,
    {
        let told = tells(rules.classify(first.as_ref()), &first);
        match self.unclear.take_if(|hedge| hedge.tells > told) {
            Some(Unclear { number, result, .. }) => {
                self.failed = Some(first);
                (result, number)
            }
            None => (first, 0),
        }
    }

    /// The responses that have arrived and are not returned.
    pub(super) fn take_losers(&mut self) -> impl Iterator<Item = S::Response> {
        let unclear = self.unclear.take().map(|hedge| hedge.result);
        [self.failed.take(), unclear].into_iter().flatten().filter_map(Result::ok)
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
            let verdict = rules.classify(result.as_ref());
            if decides(verdict) {
                return Poll::Ready(Some(Won { result, number, took: sent_at.elapsed() }));
            }
            let tells = tells(verdict, &result);
            let known = self.unclear.as_ref().map_or(Tells::ItDidNothing, |hedge| hedge.tells);
            let unread = if !self.is_safe && tells > known {
                self.unclear.replace(Unclear { number, result, tells }).map(|hedge| hedge.result)
            } else {
                Some(result)
            };
            let response = unread.and_then(Result::ok);
            if let Some(mut discarding) = response.and_then(|response| rules.discard(response)) {
                if Pin::new(&mut discarding).poll(cx).is_pending() {
                    self.discarding.push(discarding);
                }
            }
        }
        if self.in_flight.is_empty() { Poll::Ready(None) } else { Poll::Pending }
    }
}

fn tells<T, E: Rejectable>(verdict: Verdict, result: &Result<T, E>) -> Tells {
    let effect = match verdict {
        Verdict::Failure(Failure { effect, .. }) | Verdict::Throttled { effect, .. } => Some(effect),
        Verdict::Ignored => result.as_ref().err().and_then(effect_of_rejection),
        Verdict::Success | Verdict::Declined | Verdict::InProgress { .. } => Some(Effect::Unknown),
    };
    match effect {
        Some(Effect::NotApplied) => Tells::ItDidNothing,
        None => Tells::Nothing,
        Some(Effect::Unknown) => Tells::ItMayHaveActed,
    }
}
