use std::borrow::Cow;
use std::future::{Ready, ready};
use std::time::Duration;

/// How a request that was sent more than once came to its answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Attempts {
    /// Why each attempt but the last was not good enough, as [`Classify::error_type`] names it.
    ///
    /// [`Classify::error_type`]: crate::classify::Classify::error_type
    pub reasons: Vec<Cow<'static, str>>,
    /// The pauses between them, added up.
    pub paused: Duration,
}

impl Attempts {
    /// How often the request was sent.
    #[must_use]
    pub fn count(&self) -> usize {
        self.reasons.len() + 1
    }
}

/// What becomes of answers: those that are refused, and those that are returned after more than one attempt.
///
/// By default, [`DropAnswer`]. For HTTP there is `Drain`, which reads a refused body to its end so that the connection
/// can be used again.
pub trait Dispose<T> {
    /// Goes on while the retry pauses; the next attempt waits for its end.
    type Future: Future<Output = ()>;

    /// Takes an answer that is to be retried.
    fn dispose(&self, answer: T) -> Self::Future;

    /// Notes in an answer that is returned what it took to get it. By default, nothing.
    fn mark(&self, _answer: &mut T, _attempts: &Attempts) {}
}

/// Drops a refused answer at once, before the pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DropAnswer;

impl<T> Dispose<T> for DropAnswer {
    type Future = Ready<()>;

    fn dispose(&self, _: T) -> Self::Future {
        ready(())
    }
}
