use std::borrow::Cow;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tokio::time::{Instant, sleep};
use tower_service::Service;
use tracing::Span;

use super::journey::Journey;
use super::plan::Bounds;
use super::progress::{Progress, effect_of, rejection_of};
use super::shared::Shared;
use super::span;
use crate::deadline::{Repeating, deadline_in, forget_refusing, refusing_for};
use crate::error::{Rejectable, Rejection};
use crate::instance::Pointer;
use crate::rules::{Classify, Discard, Effect, Failure, Replay, Verdict, discard_at_once};

pin_project! {
    /// The response of a [`Retry`](super::Retry): that of the last attempt, or what is known of an earlier one; see the
    /// [module](super).
    ///
    /// # Panics
    ///
    /// If there is to be a pause and there is no tokio runtime with its timer enabled.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it drops the attempt that is under way, or the response that is being discarded.
    /// Attempts that have failed may have taken effect. A retry that was paid for stays paid for.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct ResponseFuture<S, Request, R>
    where
        S: Service<Request>,
    {
        #[pin]
        state: State<S::Future>,
        shared: Pointer<Shared<S, R>>,
        // What a further attempt sends; `None` if there can be none.
        copy: Option<Request>,
        // Read only where there is a bound on the time elapsed.
        started: Option<Instant>,
        journey: MaybeJourney<S, S::Error>,
    }
}

type MaybeJourney<S, E> = Option<Pin<Box<Journey<S, E>>>>;

pin_project! {
    #[project = StateProj]
    enum State<F> {
        Attempt { #[pin] attempt: F },
        // Pauses, then waits for the service to be ready for the next attempt.
        Between,
    }
}

impl<S, Request, R> ResponseFuture<S, Request, R>
where
    S: Service<Request>,
{
    #[inline]
    pub(super) const fn new(
        attempt: S::Future,
        shared: Pointer<Shared<S, R>>,
        copy: Option<Request>,
        started: Option<Instant>,
        journey: MaybeJourney<S, S::Error>,
    ) -> Self {
        Self { state: State::Attempt { attempt }, shared, copy, started, journey }
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
        loop {
            let this = self.as_mut().project();
            let ended = if let StateProj::Attempt { attempt } = this.state.project() {
                forget_refusing();
                let polled = {
                    let _told = this.journey.as_ref().map(|journey| {
                        let repeats = journey.progress.may_have_acted();
                        (repeats.then(|| Repeating::of(cx)), journey.span.enter())
                    });
                    attempt.poll(cx)
                };
                // The one or the other, and not the result as a whole, so that what is only read need not lie in memory.
                match ready!(polled) {
                    Ok(response) => {
                        let verdict = this.shared.rules().classify(Ok(&response));
                        if matches!(verdict, Verdict::Success) && this.journey.is_none() {
                            this.shared.deposit();
                            return Poll::Ready(Ok(response));
                        }
                        self.as_mut().judge(Ok(response), verdict, true, cx)
                    }
                    Err(error) => {
                        let verdict = this.shared.rules().classify(Err(&error));
                        self.as_mut().judge(Err(error), verdict, true, cx)
                    }
                }
            } else {
                ready!(self.as_mut().poll_between(cx))
            };
            match ended {
                Some(Ok(response)) => return Poll::Ready(Ok(response)),
                Some(Err(error)) => return Poll::Ready(Err(error)),
                None => {}
            }
        }
    }
}

impl<S, Request, R> ResponseFuture<S, Request, R>
where
    S: Service<Request> + Clone,
    S::Error: Rejectable,
    R: Classify<S::Response, S::Error> + Replay<Request> + Discard<S::Response>,
{
    /// What to return after an attempt; `None` if there is to be another. It was `called`, unless the service was not even
    /// ready for it.
    #[cold]
    fn judge(
        self: Pin<&mut Self>,
        result: Result<S::Response, S::Error>,
        verdict: Verdict,
        called: bool,
        cx: &mut Context<'_>,
    ) -> Option<Result<S::Response, S::Error>> {
        let mut this = self.project();
        let (policy, rules) = (this.shared.policy(), this.shared.rules());
        let is_final = || matches!(verdict, Verdict::Success | Verdict::Declined | Verdict::Ignored);
        if this.journey.is_none() && (this.copy.is_none() || is_final()) {
            if is_sent(&result, verdict) {
                this.shared.deposit();
            }
            return Some(result);
        }
        let mut journey = this.journey.take().unwrap_or_else(|| Journey::new(Span::none()));
        let fields = journey.as_mut().project();
        let progress = fields.progress;
        let reason = |result: &Result<_, _>| rules.error_type(result.as_ref());
        end_span(fields.span, verdict, || reason(&result));

        let rejection = rejection_of(&result);
        let sent = called && rejection.is_none();
        if sent {
            if progress.attempts.count() == 0 && is_sent(&result, verdict) {
                this.shared.deposit();
            }
            progress.attempts.add_sent();
            progress.rejected = 0;
        }
        let refusing_for = if called { refusing_for() } else { None };
        let bounds = Bounds { started: *this.started, deadline: deadline_in(cx), refusing_for };
        let pause = match (this.copy.as_ref(), rejection) {
            (None, _) => None,
            (Some(_), Some(rejection)) if matches!(verdict, Verdict::Ignored) && progress.attempts.count() > 0 => {
                let wait = rejection.retry_after();
                let pause = wait.and_then(|wait| policy.pause_after_rejection(wait, progress, bounds));
                pause.inspect(|_| span::waits_for(rejection, progress.attempts.count()))
            }
            (Some(request), _) => {
                progress.idempotency = rules.idempotency(request);
                let verdict = if sent { verdict } else { without_effect(verdict) };
                let pause = policy.pause_after_failure(verdict, progress, bounds);
                let paid = pause.filter(|_| this.shared.pay(verdict, &mut progress.had_free, || reason(&result)));
                paid.inspect(|_| progress.tries = progress.tries.saturating_add(1))
            }
        };
        let Some(pause) = pause else {
            return Some(finish(rules, result, verdict, sent, progress, cx));
        };

        // Attempt -> Between: there is to be another attempt. A response that need not be read is gone before the pause
        // begins.
        progress.attempts.add_pause(pause);
        if sent {
            let (reason, effect) = (reason(&result), effect_of(verdict));
            match result {
                Ok(response) => {
                    progress.keep_response(reason.clone(), effect);
                    *fields.discarding = rules.discard(response);
                }
                Err(error) => progress.keep_error(error, effect),
            }
            progress.attempts.add_failed(reason, effect);
        }
        this.state.set(State::Between);
        journey.as_mut().project().pause.set(Some(sleep(pause)));
        *this.journey = Some(journey);
        None
    }

    /// The way from one attempt to the next. Some result if it ends here.
    #[cold]
    fn poll_between(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<S::Response, S::Error>>> {
        let mut this = self.as_mut().project();
        let journey = this.journey.as_mut().expect("there is a journey between two attempts");
        let mut journey = journey.as_mut().project();
        if let Some(unread) = journey.discarding {
            ready!(Pin::new(unread).poll(cx));
            *journey.discarding = None;
        }
        if let Some(pause) = journey.pause.as_mut().as_pin_mut() {
            ready!(pause.poll(cx));
            journey.pause.set(None);
        }
        let service = journey.service.get_or_insert_with(|| this.shared.service());
        if let Err(error) = ready!(service.poll_ready(cx)) {
            // Such an instance is of no use any more. The attempt counts as one that failed and was not sent.
            *journey.service = None;
            let verdict = this.shared.rules().classify(Err(&error));
            return Poll::Ready(self.judge(Err(error), verdict, false, cx));
        }
        // Between -> Attempt: send the copy, and keep one of it if there may be yet another.
        let rules = this.shared.rules();
        let mut request = this.copy.take().expect("there is a copy as long as there are attempts");
        *this.copy = this.shared.copy(journey.progress.tries, &request);
        let resends = journey.progress.attempts.count();
        rules.number(&mut request, resends);
        *journey.span = span::further_attempt(resends);
        let repeating = journey.progress.may_have_acted().then(|| Repeating::of(cx));
        let attempt = journey.span.in_scope(|| service.call(request));
        drop(repeating);
        this.state.set(State::Attempt { attempt });
        Poll::Ready(None)
    }
}

/// Whether the upstream was asked.
fn is_sent<T, E: Rejectable>(result: &Result<T, E>, verdict: Verdict) -> bool {
    !matches!(verdict, Verdict::Ignored) && rejection_of(result).is_none()
}

/// What the rules say of an attempt that was not sent: it certainly had no effect.
fn without_effect(verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Failure(failure) => Verdict::Failure(Failure { effect: Effect::NotApplied, ..failure }),
        verdict => verdict,
    }
}

/// Ends the span of an attempt with the attempt, so that it does not include the pause.
fn end_span(span: &mut Span, verdict: Verdict, reason: impl FnOnce() -> Cow<'static, str>) {
    let span = std::mem::replace(span, Span::none());
    if !span.is_disabled() && !matches!(verdict, Verdict::Success) {
        span.record("error.type", &*reason());
    }
}

/// What to return: the result of the last attempt, with what it took, or what is known of an earlier one.
fn finish<T, E, R>(
    rules: &R,
    mut result: Result<T, E>,
    verdict: Verdict,
    sent: bool,
    progress: &mut Progress<E>,
    cx: &mut Context<'_>,
) -> Result<T, E>
where
    E: Rejectable,
    R: Classify<T, E> + Discard<T>,
{
    let progress = std::mem::replace(progress, Progress::new());
    if progress.tries == 1 {
        return result;
    }
    let mut effect = sent.then(|| effect_of(verdict));
    if let Ok(response) = &mut result {
        rules.mark(response, &progress.attempts);
        if effect == Some(Effect::NotApplied) {
            // Rules that see the mark say themselves that an earlier attempt may have had an effect.
            effect = Some(effect_of(rules.classify(result.as_ref())));
        }
    } else if sent && matches!(verdict, Verdict::Ignored) {
        // An error that says nothing tells less than an attempt that may have had an effect.
        effect = Some(Effect::NotApplied);
    }
    if progress.is_better_known(effect) {
        let failed = || Rejection::NotApplied { failed: rules.error_type(result.as_ref()).into() };
        let rejection = result.as_ref().err().and_then(Rejectable::rejection).cloned().unwrap_or_else(failed);
        span::stopped_by(&rejection, progress.attempts.count());
        if let Some(known) = progress.into_known(rejection) {
            if let Ok(response) = result {
                discard_at_once(rules, response, cx);
            }
            return Err(known);
        }
        return result;
    }
    result.map_err(|error| error.with_attempts(progress.attempts))
}

impl<S, Request, R> fmt::Debug for ResponseFuture<S, Request, R>
where
    S: Service<Request>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let attempts = self.journey.as_ref().map(|journey| &journey.progress.attempts);
        f.debug_struct("ResponseFuture").field("attempts", &attempts).finish_non_exhaustive()
    }
}
