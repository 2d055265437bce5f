use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::judge::{Course, course};
use super::past::Past;
use super::provider::Instance;
use super::shared::Shared;
use super::word::Word;
use crate::boxed::Boxed;
use crate::deadline::{forget_refusing, is_repeating};
use crate::error::{Rejectable, Rejection};
use crate::rules::{Classify, Discard, Idempotency, Replay};

pin_project! {
    /// The response of a [`Failover`](super::Failover).
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it drops the request at the provider that has it. No other provider is asked.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct ResponseFuture<R, Request, T, E> {
        state: State<Request, T, E>,
        shared: Arc<Shared<R, Request, T, E>>,
        // The switches as they were when the request started.
        word: Word,
        provider: usize,
        // A bit for each provider that has had the request, or would not have it.
        tried: u32,
        // Maybe sent to some provider before, by an attempt of a retry above.
        is_doubtful: bool,
        // What the next provider gets; `None` if there is none, or if there can be no copy.
        copy: Option<Request>,
        past: Past<T, E>,
    }
}

enum State<Request, T, E> {
    /// Waits for the provider to be ready.
    Readiness {
        instance: Instance<Request, T, E>,
        request: Option<Request>,
    },
    Attempt {
        attempt: Boxed<Result<T, E>>,
    },
    /// It is known already that it cannot be sent.
    NotSent {
        error: Option<E>,
    },
    /// No provider may have it.
    Rejected {
        error: Option<E>,
    },
}

impl<R, Request, T, E> ResponseFuture<R, Request, T, E> {
    #[inline]
    pub(super) fn called(
        shared: Arc<Shared<R, Request, T, E>>,
        word: Word,
        provider: usize,
        copy: Option<Request>,
        attempt: Boxed<Result<T, E>>,
    ) -> Self {
        Self::new(shared, word, provider, copy, State::Attempt { attempt })
    }

    pub(super) fn waiting(
        shared: Arc<Shared<R, Request, T, E>>,
        word: Word,
        provider: usize,
        copy: Option<Request>,
        instance: Instance<Request, T, E>,
        request: Request,
    ) -> Self {
        Self::new(shared, word, provider, copy, State::Readiness { instance, request: Some(request) })
    }

    /// Of a request that is not sent if it is a further attempt: nobody knows which provider had it before.
    pub(super) fn doubtful(
        shared: Arc<Shared<R, Request, T, E>>,
        word: Word,
        provider: usize,
        copy: Option<Request>,
        request: Request,
    ) -> Self {
        let instance = shared.spares[provider].clone();
        Self { is_doubtful: true, ..Self::waiting(shared, word, provider, copy, instance, request) }
    }

    pub(super) fn broken(
        shared: Arc<Shared<R, Request, T, E>>,
        word: Word,
        provider: usize,
        copy: Option<Request>,
        error: E,
    ) -> Self {
        Self::new(shared, word, provider, copy, State::NotSent { error: Some(error) })
    }

    pub(super) fn rejected(shared: Arc<Shared<R, Request, T, E>>, error: E) -> Self {
        Self::new(shared, Word::default(), 0, None, State::Rejected { error: Some(error) })
    }

    fn new(
        shared: Arc<Shared<R, Request, T, E>>,
        word: Word,
        provider: usize,
        copy: Option<Request>,
        state: State<Request, T, E>,
    ) -> Self {
        let past = Past::new();
        Self { state, shared, word, provider, tried: 1 << provider, is_doubtful: false, copy, past }
    }
}

impl<R, Request, T, E> Future for ResponseFuture<R, Request, T, E>
where
    R: Classify<T, E> + Replay<Request> + Discard<T>,
    E: Rejectable,
{
    type Output = Result<T, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Shared { rules, switches, spares } = &**this.shared;
        if std::mem::take(this.is_doubtful) && is_repeating(cx) {
            let rejection = Rejection::all_unavailable(Arc::clone(&switches.name), None);
            *this.state = State::Rejected { error: Some(rejection.into()) };
        }
        loop {
            let (result, is_sent) = match this.state {
                State::Readiness { instance, request } => match ready!(instance.poll_ready(cx)) {
                    Ok(()) => {
                        // Readiness -> Attempt: the provider is ready.
                        let request = request.take().expect("it is called once");
                        *this.state = State::Attempt { attempt: instance.call(request) };
                        continue;
                    }
                    Err(error) => (Err(error), false),
                },
                State::Attempt { attempt } => {
                    let result = ready!(Pin::new(attempt).poll(cx));
                    // That this provider's circuit has opened does not keep a further attempt from another.
                    forget_refusing();
                    (result, true)
                }
                State::NotSent { error } => (Err(error.take().expect("it is polled once")), false),
                State::Rejected { error } => return Poll::Ready(Err(error.take().expect("it is polled once"))),
            };
            let course = if is_sent {
                let idempotency =
                    || this.copy.as_ref().map_or(Idempotency::NotIdempotent, |copy| rules.idempotency(copy));
                let rejection = result.as_ref().err().and_then(Rejectable::own_rejection);
                course(rules.classify(result.as_ref()), rejection, idempotency)
            } else {
                Course::NotSent
            };
            if course == Course::Stay {
                return Poll::Ready(this.past.stay(this.shared, *this.provider, result));
            }
            let next = this.word.next(*this.tried, switches.providers.len());
            let (Some(next), Some(request)) = (next, this.copy.take()) else {
                return Poll::Ready(this.past.end(this.shared, *this.provider, result, course, next.is_none()));
            };

            // Attempt -> Readiness: another provider is to have it.
            this.past.move_on(this.shared, *this.provider, next, result, course);
            *this.tried |= 1 << next;
            *this.provider = next;
            let may_move = this.word.next(*this.tried, switches.providers.len()).is_some();
            *this.copy = if may_move { rules.copy(&request) } else { None };
            *this.state = State::Readiness { instance: spares[next].clone(), request: Some(request) };
        }
    }
}

impl<R, Request, T, E> fmt::Debug for ResponseFuture<R, Request, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture")
            .field("provider", &self.shared.switches.providers[self.provider])
            .finish_non_exhaustive()
    }
}
