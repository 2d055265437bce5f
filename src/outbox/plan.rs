//! What becomes of a message once its delivery ended. It knows no store, no clock and no future.

use std::time::Duration;

use crate::rules::{Failure, Verdict};

/// What was heard of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// The upstream may have been asked, and this is what the rules say of the result.
    Asked(Verdict),
    /// The service panicked after it was called.
    Panicked,
    /// Our own layers rejected it before it was sent, or the service was not ready in time.
    NotSent {
        /// When they may admit it.
        retry_after: Option<Duration>,
    },
    /// It can never be sent: our own layers admit nothing like it, or the request is a mistake of ours.
    Never,
    /// The relay ends, and the upstream was not asked.
    Released,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// It is delivered.
    Done,
    /// Set it aside for a person, after so many failed attempts.
    Park { attempts: u32 },
    /// Try again after `retry_after` and the backoff that belongs to `attempts`.
    Retry { attempts: u32, retry_after: Option<Duration> },
    /// Nothing failed: try again after `retry_after`, and leave the upstream alone until then.
    Wait { retry_after: Option<Duration> },
    /// Give it back, as it was.
    Release,
}

/// `attempts` failed before this one. The `max_attempts`-th that fails is the last.
pub(super) const fn plan(heard: Heard, attempts: u32, max_attempts: u32) -> Next {
    let counted = attempts.saturating_add(1);
    match heard {
        Heard::Asked(Verdict::Success) => Next::Done,
        Heard::Asked(Verdict::Declined | Verdict::Failure(Failure { permanent: true, .. })) => {
            Next::Park { attempts: counted }
        }
        Heard::Asked(Verdict::Throttled { retry_after, .. }) | Heard::NotSent { retry_after } => {
            Next::Wait { retry_after }
        }
        Heard::Asked(Verdict::Failure(_) | Verdict::InProgress { .. } | Verdict::Ignored) | Heard::Panicked
            if counted >= max_attempts =>
        {
            Next::Park { attempts: counted }
        }
        Heard::Asked(verdict) => Next::Retry { attempts: counted, retry_after: verdict.retry_after() },
        Heard::Panicked => Next::Retry { attempts: counted, retry_after: None },
        Heard::Never => Next::Park { attempts },
        Heard::Released => Next::Release,
    }
}
