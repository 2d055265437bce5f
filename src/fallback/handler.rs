//! Where the substitute response comes from. Each way is a type that no user has to name.

use std::fmt;
use std::future::{Ready, ready};

use tower_service::Service;

use crate::error::Rejectable;
use crate::oneshot::Oneshot;
use crate::rules::{Effect, Failure, Idempotency, Replay, Verdict};

/// Gives a substitute for a result that was not good enough. `C` are the rules of the layer.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not make a substitute for `Result<{T}, {E}>`",
    label = "no substitute for this result",
    note = "`value` needs a `Clone` response; `function` a closure from `Result<T, E>` to `Result<T, E>`; `service` one with the same response and error, and rules that implement `Replay<{R}>`"
)]
pub trait Handler<C, R, T, E> {
    /// What it keeps of the request from before the request was sent.
    type Kept;
    /// The substitute to be.
    type Future: Future<Output = Result<T, E>>;

    /// Keeps what it will need of the request.
    fn keep(&self, rules: &C, request: &R) -> Self::Kept;

    /// Whether it can replace this result. `is_repeat` says that an earlier attempt of the request may have taken effect.
    fn replaces(&self, _kept: &Self::Kept, _result: Result<&T, &E>, _verdict: Verdict, _is_repeat: bool) -> bool {
        true
    }

    /// Replaces `result`.
    fn handle(&self, kept: Self::Kept, result: Result<T, E>) -> Self::Future;
}

/// The same value each time.
#[derive(Debug, Clone, Copy)]
pub struct Value<T>(pub(super) T);

impl<C, R, T: Clone, E> Handler<C, R, T, E> for Value<T> {
    type Kept = ();
    type Future = Ready<Result<T, E>>;

    #[inline]
    fn keep(&self, _: &C, _: &R) {}

    fn handle(&self, (): (), _: Result<T, E>) -> Self::Future {
        ready(Ok(self.0.clone()))
    }
}

/// A function of the result.
#[derive(Clone, Copy)]
pub struct Function<F>(pub(super) F);

impl<C, R, T, E, F> Handler<C, R, T, E> for Function<F>
where
    F: Fn(Result<T, E>) -> Result<T, E>,
{
    type Kept = ();
    type Future = Ready<Result<T, E>>;

    #[inline]
    fn keep(&self, _: &C, _: &R) {}

    fn handle(&self, (): (), result: Result<T, E>) -> Self::Future {
        ready(self.0(result))
    }
}

/// An async function of the result.
#[derive(Clone, Copy)]
pub struct AsyncFunction<F>(pub(super) F);

impl<C, R, T, E, F, Fut> Handler<C, R, T, E> for AsyncFunction<F>
where
    F: Fn(Result<T, E>) -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    type Kept = ();
    type Future = Fut;

    #[inline]
    fn keep(&self, _: &C, _: &R) {}

    fn handle(&self, (): (), result: Result<T, E>) -> Self::Future {
        self.0(result)
    }
}

/// Another service, for requests that may go there.
#[derive(Debug, Clone, Copy)]
pub struct OtherService<S>(pub(super) S);

impl<C, R, S> Handler<C, R, S::Response, S::Error> for OtherService<S>
where
    C: Replay<R>,
    S: Service<R> + Clone,
    S::Error: Rejectable,
{
    /// `None` if the request could not be copied.
    type Kept = Option<(R, Idempotency)>;
    type Future = Oneshot<S, R>;

    #[inline]
    fn keep(&self, rules: &C, request: &R) -> Self::Kept {
        let copy = rules.copy(request)?;
        Some((copy, rules.idempotency(request)))
    }

    /// A key, and an idempotent method, hold at one service only. So a request goes to another one if it changes nothing,
    /// or if the first certainly did not act on it, in this attempt and in those before.
    fn replaces(
        &self,
        kept: &Self::Kept,
        result: Result<&S::Response, &S::Error>,
        verdict: Verdict,
        is_repeat: bool,
    ) -> bool {
        let Some((_, idempotency)) = kept else { return false };
        let not_applied = match verdict {
            Verdict::Failure(Failure { effect, .. }) | Verdict::Throttled { effect, .. } => {
                effect == Effect::NotApplied
            }
            _ => {
                let rejection = result.err().and_then(Rejectable::own_rejection);
                rejection.is_some_and(|rejection| rejection.effect() == Effect::NotApplied)
            }
        };
        *idempotency == Idempotency::Safe || not_applied && !is_repeat
    }

    fn handle(&self, kept: Self::Kept, _: Result<S::Response, S::Error>) -> Self::Future {
        let (request, _) = kept.expect("a request without a copy is not replaced");
        Oneshot::new(self.0.clone(), request)
    }
}

/// A handler for some of the results only.
#[derive(Clone, Copy)]
pub struct When<H, F> {
    pub(super) handler: H,
    pub(super) predicate: F,
}

impl<C, R, T, E, H, F> Handler<C, R, T, E> for When<H, F>
where
    H: Handler<C, R, T, E>,
    F: Fn(Result<&T, &E>) -> bool,
{
    type Kept = H::Kept;
    type Future = H::Future;

    #[inline]
    fn keep(&self, rules: &C, request: &R) -> Self::Kept {
        self.handler.keep(rules, request)
    }

    fn replaces(&self, kept: &Self::Kept, result: Result<&T, &E>, verdict: Verdict, is_repeat: bool) -> bool {
        (self.predicate)(result) && self.handler.replaces(kept, result, verdict, is_repeat)
    }

    fn handle(&self, kept: Self::Kept, result: Result<T, E>) -> Self::Future {
        self.handler.handle(kept, result)
    }
}

impl<F> fmt::Debug for Function<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Function")
    }
}

impl<F> fmt::Debug for AsyncFunction<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AsyncFunction")
    }
}

impl<H: fmt::Debug, F> fmt::Debug for When<H, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("When").field("handler", &self.handler).finish_non_exhaustive()
    }
}
