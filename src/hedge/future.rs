use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower_service::Service;

use super::handle::NotSent;
use super::race::{Race, Won};
use super::shared::Shared;
use super::watch::Watch;
use crate::attempts::Attempts;
use crate::deadline::{Timer, deadline_in};
use crate::error::Rejectable;
use crate::rules::{Classify, Discard, Idempotency, Replay, discard_at_once};

pin_project! {
    /// The response of a [`Hedge`](super::Hedge).
    ///
    /// # Panics
    ///
    /// If the first attempt is not ready at once, may be hedged, and there is no tokio runtime with its timer enabled.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it drops all attempts that are in flight. Each of them may have taken effect.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct ResponseFuture<S, Request, R>
    where
        S: Service<Request>,
    {
        // `None` once it has ended.
        #[pin]
        first: Option<S::Future>,
        // When the next hedge is due.
        #[pin]
        timer: Timer,
        // `None` if the request is sent once, whatever happens.
        watch: Option<Watch<S, R>>,
        // What the next hedge sends; `None` if there is to be none.
        copy: Option<Request>,
        race: Option<Box<Race<S, Request>>>,
    }
}

impl<S, Request, R> ResponseFuture<S, Request, R>
where
    S: Service<Request>,
{
    #[inline]
    pub(super) const fn once(first: S::Future) -> Self {
        Self { first: Some(first), timer: Timer::new(None), watch: None, copy: None, race: None }
    }

    #[inline]
    pub(super) const fn new(first: S::Future, watch: Watch<S, R>, due: Option<Instant>, copy: Option<Request>) -> Self {
        Self { first: Some(first), timer: Timer::new(due), watch: Some(watch), copy, race: None }
    }

    /// Drops all attempts that are in flight.
    fn end(mut self: Pin<&mut Self>) {
        let mut this = self.as_mut().project();
        this.first.set(None);
        *this.race = None;
        *this.copy = None;
        *this.watch = None;
    }
}

impl<S, Request, R> Future for ResponseFuture<S, Request, R>
where
    S: Service<Request> + Clone,
    S::Error: Rejectable,
    R: Classify<S::Response, S::Error> + Replay<Request> + Discard<S::Response>,
{
    type Output = Result<S::Response, S::Error>;

    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.as_mut().project();
        let Some(watch) = this.watch else {
            let first = this.first.as_pin_mut().expect("polled after it was ready");
            return match ready!(first.poll(cx)) {
                Ok(response) => Poll::Ready(Ok(response)),
                Err(error) => Poll::Ready(Err(error)),
            };
        };
        let had_budget = this.timer.as_ref().has_budget();
        let first = this.first.as_mut().as_pin_mut().map_or(Poll::Pending, |first| first.poll(cx));
        // The one or the other, so that a response that fits into a register stays in one.
        let ended = match first {
            Poll::Ready(Ok(response)) if this.race.is_none() => {
                watch.ended(Ok(&response), false);
                self.end();
                return Poll::Ready(Ok(response));
            }
            Poll::Ready(Err(error)) if this.race.is_none() => {
                watch.ended(Err(&error), false);
                self.end();
                return Poll::Ready(Err(error));
            }
            Poll::Ready(result) => Some(result),
            Poll::Pending => None,
        };
        match ready!(self.poll_race(ended, had_budget, cx)) {
            Ok(response) => Poll::Ready(Ok(response)),
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl<S, Request, R> ResponseFuture<S, Request, R>
where
    S: Service<Request> + Clone,
    S::Error: Rejectable,
    R: Classify<S::Response, S::Error> + Replay<Request> + Discard<S::Response>,
{
    /// What is left to wait for: hedges in flight, and the moment of the next one. `ended` is the result of the first
    /// attempt, if it has just come while there are hedges.
    #[inline(never)]
    fn poll_race(
        mut self: Pin<&mut Self>,
        ended: Option<Result<S::Response, S::Error>>,
        had_budget: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Result<S::Response, S::Error>> {
        let mut this = self.as_mut().project();
        let Some(watch) = this.watch else { return Poll::Pending };
        if let (Some(result), Some(race)) = (ended, this.race.as_mut()) {
            if watch.ended(result.as_ref(), true) {
                let result = noted(watch.shared(), result, race.sent(), 0);
                discard_losers(watch.shared().rules(), race, cx);
                self.end();
                return Poll::Ready(result);
            }
            // The hedges decide, if one is in flight.
            race.hold(result);
            this.first.set(None);
            *this.copy = None;
        }
        loop {
            if let Some(race) = this.race {
                match race.poll(watch.shared().rules(), cx) {
                    Poll::Ready(Some(Won { result, number, took })) => {
                        let shared = watch.shared();
                        shared.hedging().count_won(took);
                        let result = noted(shared, result, race.sent(), number);
                        discard_losers(shared.rules(), race, cx);
                        self.end();
                        return Poll::Ready(result);
                    }
                    Poll::Ready(None) => {
                        if let Some(failed) = race.take_failed() {
                            let shared = watch.shared();
                            let (result, number) = race.outcome(shared.rules(), failed);
                            let result = noted(shared, result, race.sent(), number);
                            discard_losers(shared.rules(), race, cx);
                            self.end();
                            return Poll::Ready(result);
                        }
                    }
                    Poll::Pending => {}
                }
            }
            if this.copy.is_none() {
                return Poll::Pending;
            }
            ready!(this.timer.as_mut().poll_elapsed(cx, had_budget));
            let Some(request) = this.copy.take() else { return Poll::Pending };
            let next = hedge(watch.shared(), request, this.race, cx);
            *this.copy = next.copy;
            this.timer.set(Timer::new(next.due));
        }
    }
}

/// What follows a hedge.
struct Next<Request> {
    due: Option<Instant>,
    copy: Option<Request>,
}

/// Sends a hedge, if it may be sent.
#[cold]
fn hedge<S, Request, R>(
    shared: &Shared<S, R>,
    mut request: Request,
    race: &mut Option<Box<Race<S, Request>>>,
    cx: &Context<'_>,
) -> Next<Request>
where
    S: Service<Request> + Clone,
    S::Error: Rejectable,
    R: Replay<Request>,
{
    let (hedging, now) = (shared.hedging(), Instant::now());
    let end = now.checked_add(hedging.hedge_takes());
    let not_sent = if deadline_in(cx).is_some_and(|deadline| end.is_none_or(|end| end >= deadline)) {
        Some(NotSent::TooLate)
    } else {
        (!shared.pay()).then_some(NotSent::Refused)
    };
    if let Some(why) = not_sent {
        tracing::debug!(?why, "a hedge is not sent");
        hedging.count_not_sent(why);
        return Next { due: None, copy: None };
    }
    let number = race.as_ref().map_or(0, |race| race.sent()) + 1;
    let delay = hedging.delay();
    let may_follow = number < hedging.max_hedges() && delay.is_some();
    let copy = may_follow.then(|| shared.rules().copy(&request)).flatten();
    let is_safe = shared.rules().idempotency(&request) == Idempotency::Safe;
    shared.rules().number(&mut request, number);
    tracing::debug!(hedge = number, "a hedge is sent");
    hedging.count_sent();
    race.get_or_insert_with(|| Box::new(Race::new(is_safe))).send(shared.service(), request, now);
    Next { due: delay.and_then(|delay| now.checked_add(delay)), copy }
}

/// The result, with how many hedges there were and which attempt won.
#[cold]
fn noted<S, T, E, R>(shared: &Shared<S, R>, result: Result<T, E>, sent: u32, winner: u32) -> Result<T, E>
where
    E: Rejectable,
    R: Discard<T>,
{
    let attempts = Attempts::raced(sent, winner);
    match result {
        Ok(mut response) => {
            shared.rules().mark(&mut response, &attempts);
            Ok(response)
        }
        Err(error) => Err(error.with_attempts(attempts)),
    }
}

/// Discards the responses that have arrived and are not returned.
#[cold]
fn discard_losers<S, Request, R>(rules: &R, race: &mut Race<S, Request>, cx: &mut Context<'_>)
where
    S: Service<Request>,
    S::Error: Rejectable,
    R: Discard<S::Response>,
{
    for response in race.take_losers() {
        discard_at_once(rules, response, cx);
    }
}

impl<S, Request, R> fmt::Debug for ResponseFuture<S, Request, R>
where
    S: Service<Request>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture")
    }
}
