use std::borrow::Cow;

use super::classify::Classify;
use super::discard::Discard;
use super::replay::{Idempotency, Repeat, Replay};
use super::verdict::Verdict;
use super::with::rules_setters;
use crate::error::{Rejectable, Rejection, verdict_of_rejection};

/// The rules for whatever is not HTTP: every `Ok` is a success, every error a failure.
///
/// | result | verdict |
/// |---|---|
/// | `Ok` | `Success` |
/// | an error of the service | `Failure`, of unknown effect |
/// | a [`Rejection`] | what [`Verdict::from`] says: a timeout is a failure of unknown effect, most others are `Ignored` |
///
/// Requests are copied with `Clone`, and are [`NotIdempotent`](Idempotency::NotIdempotent) unless
/// [`idempotent`](Self::idempotent) says otherwise. A discarded response is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ErrorsOnly;

rules_setters!([] ErrorsOnly);

impl<T, E: Rejectable> Classify<T, E> for ErrorsOnly {
    #[inline]
    fn classify(&self, result: Result<&T, &E>) -> Verdict {
        match result {
            Ok(_) => Verdict::Success,
            Err(error) => verdict_of_rejection(error).unwrap_or(Verdict::UNKNOWN),
        }
    }

    /// The name of a rejection; `_OTHER` for every other error.
    fn error_type(&self, result: Result<&T, &E>) -> Cow<'static, str> {
        let rejection = result.err().and_then(Rejectable::rejection);
        rejection.map_or("_OTHER", Rejection::as_str).into()
    }
}

impl<R> Repeat<R> for ErrorsOnly {
    #[inline]
    fn idempotency(&self, _: &R) -> Idempotency {
        Idempotency::NotIdempotent
    }
}

impl<R: Clone> Replay<R> for ErrorsOnly {
    #[inline]
    fn copy(&self, request: &R) -> Option<R> {
        Some(request.clone())
    }
}

impl<T> Discard<T> for ErrorsOnly {}
