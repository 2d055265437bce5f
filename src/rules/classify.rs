use std::borrow::Cow;
use std::sync::Arc;

use super::verdict::Verdict;

/// Judges the result of an attempt.
///
/// Implemented by [`ErrorsOnly`](super::ErrorsOnly), by [`RulesFn`](super::RulesFn) for a closure, and by `Http` and
/// `HttpRules` (feature `http`).
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot judge `Result<{T}, {E}>`",
    label = "these rules do not know this response or this error",
    note = "for a closure, write `rules_fn(|result| ..)`; to judge errors only, use `ErrorsOnly`",
    note = "for HTTP, enable the feature `http` (and `reqwest` for its types) and use `Http`"
)]
pub trait Classify<T, E> {
    /// What `result` says of the upstream.
    fn classify(&self, result: Result<&T, &E>) -> Verdict;

    /// A short name for what is wrong with `result`, out of a small set: for spans (`error.type` in the terms of
    /// OpenTelemetry), metrics, and the cause of an open circuit. The default is `_OTHER`.
    fn error_type(&self, _result: Result<&T, &E>) -> Cow<'static, str> {
        Cow::Borrowed("_OTHER")
    }
}

impl<C, T, E> Classify<T, E> for Arc<C>
where
    C: Classify<T, E> + ?Sized,
{
    #[inline]
    fn classify(&self, result: Result<&T, &E>) -> Verdict {
        (**self).classify(result)
    }

    fn error_type(&self, result: Result<&T, &E>) -> Cow<'static, str> {
        (**self).error_type(result)
    }
}
