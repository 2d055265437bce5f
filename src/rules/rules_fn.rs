use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use super::classify::Classify;
use super::discard::Discard;
use super::errors_only::ErrorsOnly;
use super::replay::{Idempotency, Repeat, Replay};
use super::verdict::Verdict;
use super::with::rules_setters;
use crate::error::Rejectable;

/// Rules that judge by a closure. Made by [`rules_fn`].
pub struct RulesFn<T, E, F> {
    classify: F,
    /// Holds no `T` and no `E`.
    judges: PhantomData<fn(&T, &E)>,
}

/// Judges results by `classify`; all else is as [`ErrorsOnly`] has it.
///
/// The closure judges windbreak's own rejections too. Where it has no opinion of an error, let [`Verdict::from`] judge
/// the rejection, as below.
///
/// ```
/// use windbreak::rules::{Classify, rules_fn};
/// use windbreak::{Effect, Error, Failure, Verdict};
///
/// struct Reply { busy: bool }
///
/// let rules = rules_fn(|result: Result<&Reply, &Error<std::io::Error>>| match result {
///     Ok(reply) if reply.busy => Verdict::Failure(Failure::new(Effect::NotApplied)),
///     Ok(_) => Verdict::Success,
///     Err(error) => error.rejection().map_or(Verdict::UNKNOWN, Verdict::from),
/// })
/// .idempotent(|request: &&str| request.starts_with("get"));
///
/// assert_eq!(rules.classify(Ok(&Reply { busy: false })), Verdict::Success);
/// assert_ne!(rules.classify(Ok(&Reply { busy: true })), Verdict::Success);
/// ```
pub const fn rules_fn<T, E, F>(classify: F) -> RulesFn<T, E, F>
where
    F: Fn(Result<&T, &E>) -> Verdict,
{
    RulesFn { classify, judges: PhantomData }
}

rules_setters!([T, E, F] RulesFn<T, E, F>);

impl<T, E, F> Classify<T, E> for RulesFn<T, E, F>
where
    E: Rejectable,
    F: Fn(Result<&T, &E>) -> Verdict,
{
    #[inline]
    fn classify(&self, result: Result<&T, &E>) -> Verdict {
        (self.classify)(result)
    }

    fn error_type(&self, result: Result<&T, &E>) -> Cow<'static, str> {
        ErrorsOnly.error_type(result)
    }
}

impl<R, T, E, F> Repeat<R> for RulesFn<T, E, F> {
    #[inline]
    fn idempotency(&self, request: &R) -> Idempotency {
        ErrorsOnly.idempotency(request)
    }
}

impl<R: Clone, T, E, F> Replay<R> for RulesFn<T, E, F> {
    #[inline]
    fn copy(&self, request: &R) -> Option<R> {
        ErrorsOnly.copy(request)
    }
}

impl<T, E, F> Discard<T> for RulesFn<T, E, F> {}

impl<T, E, F: Clone> Clone for RulesFn<T, E, F> {
    fn clone(&self) -> Self {
        Self { classify: self.classify.clone(), judges: PhantomData }
    }
}

impl<T, E, F: Copy> Copy for RulesFn<T, E, F> {}

impl<T, E, F> fmt::Debug for RulesFn<T, E, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RulesFn")
    }
}
