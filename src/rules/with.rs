//! Rules of which one is replaced by a closure.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use super::classify::Classify;
use super::discard::{Discard, Discarding};
use super::replay::{Idempotency, Repeat, Replay};
use super::verdict::Verdict;
use crate::attempts::Attempts;
use crate::provider::Provider;

/// Rules that know by a closure how harmful it is to send a request again. Made by `idempotent` of the rules.
pub struct WithIdempotency<C, R, F> {
    rules: C,
    idempotency: F,
    request: PhantomData<fn(&R)>,
}

/// Rules that copy requests by a closure. Made by `copy_with` of the rules.
pub struct WithCopy<C, R, F> {
    rules: C,
    copy: F,
    request: PhantomData<fn(&R)>,
}

/// The setters that rules have in common.
macro_rules! rules_setters {
    ([$($parameter:ident),*] $rules:ty) => {
        impl<$($parameter),*> $rules {
            /// Sets which requests may be sent again. The closure returns `true` for a request that has the same effect
            /// sent twice as sent once, or an [`Idempotency`](crate::rules::Idempotency), which tells more: that of a
            /// read is [`Safe`](crate::rules::Idempotency::Safe).
            #[must_use]
            pub fn idempotent<Request, Closure, Says>(
                self,
                idempotency: Closure,
            ) -> $crate::rules::WithIdempotency<Self, Request, Closure>
            where
                Closure: Fn(&Request) -> Says,
                Says: Into<$crate::rules::Idempotency>,
            {
                $crate::rules::WithIdempotency::new(self, idempotency)
            }

            /// Sets how a request is copied for a further attempt. A request for which the closure returns `None` is
            /// sent once. The default is `Clone`.
            #[must_use]
            pub fn copy_with<Request, Closure>(
                self,
                copy: Closure,
            ) -> $crate::rules::WithCopy<Self, Request, Closure>
            where
                Closure: Fn(&Request) -> Option<Request>,
            {
                $crate::rules::WithCopy::new(self, copy)
            }
        }
    };
}

pub(crate) use rules_setters;

rules_setters!([C, R, F] WithIdempotency<C, R, F>);
rules_setters!([C, R, F] WithCopy<C, R, F>);

impl<C, R, F> WithIdempotency<C, R, F> {
    pub(crate) const fn new(rules: C, idempotency: F) -> Self {
        Self { rules, idempotency, request: PhantomData }
    }
}

impl<C, R, F> WithCopy<C, R, F> {
    pub(crate) const fn new(rules: C, copy: F) -> Self {
        Self { rules, copy, request: PhantomData }
    }
}

impl<C, R, F, I> Repeat<R> for WithIdempotency<C, R, F>
where
    C: Repeat<R>,
    F: Fn(&R) -> I,
    I: Into<Idempotency>,
{
    #[inline]
    fn idempotency(&self, request: &R) -> Idempotency {
        (self.idempotency)(request).into()
    }

    fn number(&self, request: &mut R, resends: u32) {
        self.rules.number(request, resends);
    }
}

impl<C, R, F, I> Replay<R> for WithIdempotency<C, R, F>
where
    C: Replay<R>,
    F: Fn(&R) -> I,
    I: Into<Idempotency>,
{
    #[inline]
    fn copy(&self, request: &R) -> Option<R> {
        self.rules.copy(request)
    }
}

impl<C, R, F> Repeat<R> for WithCopy<C, R, F>
where
    C: Repeat<R>,
{
    #[inline]
    fn idempotency(&self, request: &R) -> Idempotency {
        self.rules.idempotency(request)
    }

    fn number(&self, request: &mut R, resends: u32) {
        self.rules.number(request, resends);
    }
}

impl<C, R, F> Replay<R> for WithCopy<C, R, F>
where
    C: Repeat<R>,
    F: Fn(&R) -> Option<R>,
{
    #[inline]
    fn copy(&self, request: &R) -> Option<R> {
        (self.copy)(request)
    }
}

/// The questions that both leave to the rules within.
macro_rules! delegate {
    ($($rules:ident)*) => {$(
        impl<C, R, F, T, E> Classify<T, E> for $rules<C, R, F>
        where
            C: Classify<T, E>,
        {
            #[inline]
            fn classify(&self, result: Result<&T, &E>) -> Verdict {
                self.rules.classify(result)
            }

            fn error_type(&self, result: Result<&T, &E>) -> Cow<'static, str> {
                self.rules.error_type(result)
            }
        }

        impl<C, R, F, T> Discard<T> for $rules<C, R, F>
        where
            C: Discard<T>,
        {
            fn discard(&self, response: T) -> Option<Discarding> {
                self.rules.discard(response)
            }

            fn mark(&self, response: &mut T, attempts: &Attempts) {
                self.rules.mark(response, attempts);
            }

            fn mark_provider(&self, response: &mut T, provider: &Provider) {
                self.rules.mark_provider(response, provider);
            }
        }

        impl<C: fmt::Debug, R, F> fmt::Debug for $rules<C, R, F> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($rules)).field("rules", &self.rules).finish_non_exhaustive()
            }
        }
    )*};
}

delegate!(WithIdempotency WithCopy);

impl<C: Clone, R, F: Clone> Clone for WithIdempotency<C, R, F> {
    fn clone(&self) -> Self {
        Self::new(self.rules.clone(), self.idempotency.clone())
    }
}

impl<C: Clone, R, F: Clone> Clone for WithCopy<C, R, F> {
    fn clone(&self) -> Self {
        Self::new(self.rules.clone(), self.copy.clone())
    }
}
