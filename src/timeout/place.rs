/// Where a timeout stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Anywhere.
    Alone,
    /// In a stack, around the attempts: it is polled whenever they are.
    AroundAttempts,
    /// In a stack, around one attempt.
    OneAttempt,
}
