use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tokio::task::coop::poll_proceed;
use tokio::time::Instant;

use super::breaker::Breaker;
use super::circuit::Circuit;
use super::permit::Permit;
use super::ticket::{Refusal, Ticket, UNSEEN};
use crate::deadline::{WaitMeter, measure_waits};
use crate::error::{Rejectable, Rejection};
use crate::instance::Pointer;
use crate::rules::{Classify, Verdict};
use crate::until_body_end::{Hold, Sealed};

pin_project! {
    /// The response of a [`CircuitBreaker`](super::CircuitBreaker).
    ///
    /// A rejection uses up some of the cooperative budget of a tokio task, so that a loop on an open circuit lets other
    /// tasks run.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it gives its admission back: see [`Permit`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct ResponseFuture<F, R> {
        #[pin]
        state: State<F, R>,
    }

    impl<F, R> PinnedDrop for ResponseFuture<F, R> {
        #[inline]
        fn drop(this: Pin<&mut Self>) {
            if this.is_in_flight() {
                this.cancel();
            }
        }
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = StateProj]
    enum State<F, R> {
        Admitted {
            #[pin]
            inner: F,
            breaker: Pointer<Breaker<R>>,
            ticket: Ticket,
            // Read only where the time counts. What our own layers made the call wait moves it on.
            started: Option<Instant>,
        },
        // The parts of a rejection, in whole words like those of an admission: otherwise the two are told apart byte by
        // byte.
        Rejected {
            name: Option<Arc<str>>,
            cause: Option<Arc<str>>,
            refusal: Refusal,
        },
        Cancelled,
    }
}

impl<F, R> ResponseFuture<F, R> {
    #[inline(always)]
    pub(super) const fn admitted(
        inner: F,
        breaker: Pointer<Breaker<R>>,
        ticket: Ticket,
        started: Option<Instant>,
    ) -> Self {
        Self { state: State::Admitted { inner, breaker, ticket, started } }
    }

    #[inline(always)]
    pub(super) fn rejected(circuit: &Circuit, refusal: Refusal) -> Self {
        let shared = circuit.shared();
        let (name, cause) = (Some(Arc::clone(&shared.name)), shared.causes.current());
        Self { state: State::Rejected { name, cause, refusal } }
    }

    #[inline]
    const fn is_in_flight(&self) -> bool {
        matches!(self.state, State::Admitted { ticket, .. } if ticket != UNSEEN)
    }

    /// Drops the inner future, which may say that the call was still waiting in a queue of ours, and then gives the
    /// admission back.
    #[cold]
    fn cancel(self: Pin<&mut Self>) {
        let mut state = self.project().state;
        let StateProj::Admitted { breaker, ticket, started, .. } = state.as_mut().project() else { return };
        let shared = Arc::clone(breaker.circuit.shared());
        // Gives the admission back, also if the drop panics.
        let mut permit = Permit::new(shared, mem::replace(ticket, UNSEEN), *started);
        let ((), waited) = measure_waits(|| state.set(State::Cancelled));
        permit.exclude(waited);
    }
}

/// Polls the inner future of a call. A panic is a failure. What our own layers made a call wait that is timed moves its
/// start on.
#[inline(always)]
fn poll_inner<F: Future, R>(
    inner: Pin<&mut F>,
    breaker: &Breaker<R>,
    ticket: &mut Ticket,
    started: &mut Option<Instant>,
    cx: &mut Context<'_>,
) -> Poll<F::Output> {
    let meter = started.map(|_| WaitMeter::start());
    let in_flight = InFlight { breaker, ticket, started: *started };
    let polled = inner.poll(cx);
    mem::forget(in_flight);
    if let (Some(meter), Some(started)) = (meter, started) {
        *started = started.checked_add(meter.stop()).unwrap_or(*started);
    }
    polled
}

/// Records what a call results in.
#[inline(always)]
fn record<R, T, E>(breaker: &Breaker<R>, ticket: &mut Ticket, started: Option<Instant>, result: Result<&T, &E>)
where
    R: Classify<T, E>,
{
    // Should the rules panic, they say nothing of the upstream: the call is cancelled.
    let verdict = breaker.rules.classify(result);
    let cause = || Some(breaker.rules.error_type(result));
    breaker.circuit.shared().record(mem::replace(ticket, UNSEEN), started, verdict, cause);
    tell_refusing(breaker, verdict);
}

/// Tells a retry above of a circuit that has opened. With a load balancer between the two, another endpoint gets the
/// further attempt.
#[inline(always)]
fn tell_refusing<R>(breaker: &Breaker<R>, verdict: Verdict) {
    if matches!(verdict, Verdict::Failure(_)) && !breaker.pending_while_open {
        breaker.circuit.shared().tell_refusing();
    }
}

/// A rejection, once the task has some of its cooperative budget left for it. In parts that are small: the result of a
/// healthy call passes through registers only if no function call returns a whole result in its place.
#[inline(always)]
fn poll_rejection(
    name: &mut Option<Arc<str>>,
    cause: &mut Option<Arc<str>>,
    refusal: Refusal,
    cx: &mut Context<'_>,
) -> Poll<Rejection> {
    ready!(poll_proceed(cx)).made_progress();
    let name = name.take().expect("polled after it was ready");
    Poll::Ready(Rejection::CircuitOpen { name, retry_after: refusal.retry_after(), cause: cause.take() })
}

/// A call whose inner future is polled. Dropped, which only a panic does, it has failed.
struct InFlight<'a, R> {
    breaker: &'a Breaker<R>,
    ticket: &'a mut Ticket,
    started: Option<Instant>,
}

impl<R> Drop for InFlight<'_, R> {
    #[cold]
    fn drop(&mut self) {
        let ticket = mem::replace(self.ticket, UNSEEN);
        self.breaker.circuit.shared().record(ticket, self.started, Verdict::UNKNOWN, || Some("panic".into()));
    }
}

impl<F, R, T, E> Future for ResponseFuture<F, R>
where
    F: Future<Output = Result<T, E>>,
    E: Rejectable,
    R: Classify<T, E>,
{
    type Output = Result<T, E>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            // The one or the other, and not the result as a whole, so that what is only read need not lie in memory.
            StateProj::Admitted { inner, breaker, ticket, started } => {
                match ready!(poll_inner(inner, breaker, ticket, started, cx)) {
                    Ok(response) => {
                        record(breaker, ticket, *started, Ok(&response));
                        Poll::Ready(Ok(response))
                    }
                    Err(error) => {
                        record(breaker, ticket, *started, Err(&error));
                        Poll::Ready(Err(error))
                    }
                }
            }
            StateProj::Rejected { name, cause, refusal } => {
                Poll::Ready(Err(ready!(poll_rejection(name, cause, *refusal, cx)).into()))
            }
            StateProj::Cancelled => unreachable!("it is being dropped"),
        }
    }
}

impl<F, R> Sealed for ResponseFuture<F, R> {}

impl<F, R, T, E> Hold for ResponseFuture<F, R>
where
    F: Future<Output = Result<T, E>>,
    E: Rejectable,
    R: Classify<T, E>,
{
    type Guard = Permit;

    #[inline]
    fn poll_hold(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<(Self::Output, Option<Permit>)> {
        match self.project().state.project() {
            StateProj::Admitted { inner, breaker, ticket, started } => {
                let result = ready!(poll_inner(inner, breaker, ticket, started, cx));
                let shared = breaker.circuit.shared();
                let verdict = breaker.rules.classify(result.as_ref());
                if result.is_err() || matches!(verdict, Verdict::Failure(_) | Verdict::Ignored) {
                    // No body can make it any better.
                    let cause = || Some(breaker.rules.error_type(result.as_ref()));
                    shared.record(mem::replace(ticket, UNSEEN), *started, verdict, cause);
                    tell_refusing(breaker, verdict);
                    return Poll::Ready((result, None));
                }
                shared.note_head(*ticket);
                let permit = Permit::new(Arc::clone(shared), mem::replace(ticket, UNSEEN), *started);
                Poll::Ready((result, Some(permit)))
            }
            StateProj::Rejected { name, cause, refusal } => {
                Poll::Ready((Err(ready!(poll_rejection(name, cause, *refusal, cx)).into()), None))
            }
            StateProj::Cancelled => unreachable!("it is being dropped"),
        }
    }
}

#[cfg(test)]
mod tests;
