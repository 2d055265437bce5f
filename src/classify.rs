//! What an answer says of the service that gave it, and whether a request may be sent again.
//!
//! The breaker, the retries and the fallback all ask a [`Classify`], so that one rule, said once, is believed by
//! every layer. The default, [`DefaultClassifier`], knows errors only; `Http` (feature `http`) knows what status
//! codes mean; a closure is a classifier too:
//!
//! ```
//! use windbreak::classify::{Classify, Effect, Failure, Verdict};
//!
//! struct Answer { busy: bool }
//!
//! let classifier = |result: Result<&Answer, &std::io::Error>| match result {
//!     Ok(answer) if answer.busy => Verdict::Failure(Failure::new(Effect::None)),
//!     Ok(_) => Verdict::Success,
//!     Err(_) => Verdict::Failure(Failure::new(Effect::Unknown)),
//! };
//!
//! assert_eq!(classifier.classify(Ok(&Answer { busy: false })), Verdict::Success);
//! assert_ne!(classifier.classify(Ok(&Answer { busy: true })), Verdict::Success);
//! ```

use std::borrow::Cow;
use std::time::Duration;

use crate::error::{Rejectable, Rejection};

/// What an answer says of the service that was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The callee did what it was asked.
    Success,
    /// The callee is unwell. Counts against the circuit; may be retried.
    Failure(Failure),
    /// The callee is well and says no, as with a 404. A success for the circuit; never retried.
    Refused,
    /// The callee is well, and still at work on an earlier attempt of the same request. A success for the circuit;
    /// retried only if the callee knows a repeat when it sees one (see [`Replay::is_keyed`]).
    InProgress {
        /// How long the callee asks to be left alone, if it said so.
        retry_after: Option<Duration>,
    },
    /// Says nothing about the callee, as when our own circuit is open: neither counted nor retried.
    Ignored,
}

/// A failed attempt, and what is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// Whether the attempt can have taken effect at the callee.
    pub effect: Effect,
    /// How long the callee asks to be left alone, if it said so.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// A failure of which the callee did not say when to try again.
    #[must_use]
    pub const fn new(effect: Effect) -> Self {
        Self { effect, retry_after: None }
    }

    /// The same failure, after which the callee asks to be left alone for this long.
    #[must_use]
    pub const fn retry_after(self, pause: Duration) -> Self {
        Self { retry_after: Some(pause), ..self }
    }
}

/// Whether a failed attempt can have taken effect at the callee.
///
/// This is what makes a retry safe: an order that was certainly not placed may be placed again, whatever it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The callee never acted on the request: the connection was refused, or it said so.
    None,
    /// Nobody knows: the connection broke or the time ran out while the request was under way.
    Unknown,
}

/// Judges the result of a call.
///
/// Implemented by [`DefaultClassifier`], by `Http`, and by every `Fn(Result<&T, &E>) -> Verdict`.
pub trait Classify<T, E> {
    /// What `result` says of the service that gave it.
    fn classify(&self, result: Result<&T, &E>) -> Verdict;

    /// A short name for what is wrong with `result`, of which there are few: for spans (`error.type` in the terms of
    /// OpenTelemetry) and metrics. By default `_OTHER`.
    fn error_type(&self, _result: Result<&T, &E>) -> Cow<'static, str> {
        Cow::Borrowed("_OTHER")
    }
}

impl<F, T, E> Classify<T, E> for F
where
    F: Fn(Result<&T, &E>) -> Verdict,
{
    fn classify(&self, result: Result<&T, &E>) -> Verdict {
        self(result)
    }
}

/// The classifier of every layer that is given no other.
///
/// | result | verdict |
/// |---|---|
/// | `Ok` | `Success` |
/// | a timeout of windbreak's | `Failure`, of unknown effect |
/// | any other rejection of windbreak's | `Ignored` |
/// | any other error | `Failure`, of unknown effect |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DefaultClassifier;

impl<T, E: Rejectable> Classify<T, E> for DefaultClassifier {
    #[inline]
    fn classify(&self, result: Result<&T, &E>) -> Verdict {
        match result {
            Ok(_) => Verdict::Success,
            Err(error) => match error.rejection() {
                Some(rejection) => rejection.into(),
                None => Verdict::Failure(Failure::new(Effect::Unknown)),
            },
        }
    }

    fn error_type(&self, result: Result<&T, &E>) -> Cow<'static, str> {
        let rejection = result.err().and_then(Rejectable::rejection);
        rejection.map_or("_OTHER", Rejection::as_str).into()
    }
}

impl From<&Rejection> for Verdict {
    /// A timeout speaks against the callee; every other rejection is our own doing.
    fn from(rejection: &Rejection) -> Self {
        match rejection {
            Rejection::Timeout { .. } => Self::Failure(Failure::new(Effect::Unknown)),
            Rejection::CircuitOpen { .. } | Rejection::BulkheadFull { .. } | Rejection::BulkheadTimeout { .. } => {
                Self::Ignored
            }
        }
    }
}

/// Makes the copy of a request that a further attempt sends, and knows whether sending it twice is harmless.
pub trait Replay<R> {
    /// A copy of `request` to keep for later; `None` if there can be no copy (a body that streams).
    ///
    /// A request without a copy is sent once.
    fn replay(&self, request: &R) -> Option<R>;

    /// Whether sending `request` twice has the same effect as sending it once.
    fn is_idempotent(&self, request: &R) -> bool;

    /// Whether `request` carries a key by which the callee recognises a repeat of it. By default it does not.
    fn is_keyed(&self, _request: &R) -> bool {
        false
    }

    /// Writes into a copy that is about to be sent how often the request was sent before. By default, nothing.
    fn number(&self, _request: &mut R, _resends: u32) {}
}

/// The replay of requests that are `Clone` and of which nothing more is known: copied, and not idempotent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CloneRequest;

impl<R: Clone> Replay<R> for CloneRequest {
    #[inline]
    fn replay(&self, request: &R) -> Option<R> {
        Some(request.clone())
    }

    #[inline]
    fn is_idempotent(&self, _: &R) -> bool {
        false
    }
}
