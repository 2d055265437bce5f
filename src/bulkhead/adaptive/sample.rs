use std::time::Duration;

use crate::error::{Rejectable, Rejection};
use crate::rules::{Classify, Verdict};

/// What one response says of the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    /// The round-trip time, of a success.
    pub(super) time: Option<Duration>,
    /// The upstream asked for less, or did not respond in time.
    pub(super) is_pressure: bool,
    /// How many requests were in flight when this one was admitted, with it.
    pub(super) in_flight: usize,
}

impl Sample {
    /// That of a result which took `time`; `None` if it says nothing of the load.
    pub(super) fn of<T, E, R>(result: Result<&T, &E>, rules: &R, time: Duration, in_flight: usize) -> Option<Self>
    where
        E: Rejectable,
        R: Classify<T, E>,
    {
        let (time, is_pressure) = match rules.classify(result) {
            Verdict::Success => (Some(time), false),
            Verdict::Throttled { .. } => (None, true),
            Verdict::Failure(failure) => (None, failure.retry_after.is_some() || is_overload(result, rules)),
            Verdict::Declined | Verdict::InProgress { .. } | Verdict::Ignored => return None,
        };
        Some(Self { time, is_pressure, in_flight })
    }
}

/// Whether a failure is that of an upstream which has too much to do: no response in time, or a word for it.
fn is_overload<T, E, R>(result: Result<&T, &E>, rules: &R) -> bool
where
    E: Rejectable,
    R: Classify<T, E>,
{
    let rejection = result.err().and_then(Rejectable::rejection);
    matches!(rejection, Some(Rejection::Timeout { .. }))
        || matches!(&*rules.error_type(result), "503" | "504" | "429" | "timeout")
}
