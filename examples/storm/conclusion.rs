//! What the storm comes to, in one sentence.

use std::fmt;
use std::time::Duration;

use crate::exchange::Wait;

/// What a caller remembers of a storm.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fate {
    pub(crate) requests: usize,
    pub(crate) failed: usize,
    pub(crate) worst: Option<Wait>,
}

/// What the storm was with the one client, instead of with the other.
pub(crate) fn conclusion(with: Fate, instead_of: Fate) -> String {
    let [failed, requests, other_failed] = [with.failed, with.requests, instead_of.failed].map(Thousands);
    let failures = format!("{failed} of {requests} failed instead of {other_failed}");
    let (Some(worst), Some(other_worst)) = (with.worst.map(Seconds), instead_of.worst.map(Seconds)) else {
        return failures;
    };
    format!("{failures}; the worst wait {worst} instead of {other_worst}")
}

/// A count with a comma between the thousands.
pub(crate) struct Thousands(pub(crate) usize);

impl fmt::Display for Thousands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
        f.pad(&groups.join(","))
    }
}

/// A wait in seconds. One that has not ended is rounded down, so that "over" is true.
struct Seconds(Wait);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Wait { time, at_least } = self.0;
        let tenths = time.as_millis() / 100;
        match at_least {
            true if time >= Duration::from_secs(1) => write!(f, "over {} s", time.as_secs()),
            true => write!(f, "over {}.{} s", tenths / 10, tenths % 10),
            false => write!(f, "{:.1} s", time.as_secs_f64()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fate(failed: usize, millis: u64, at_least: bool) -> Fate {
        let worst = Some(Wait { time: Duration::from_millis(millis), at_least });
        Fate { requests: 4_000, failed, worst }
    }

    #[test]
    fn the_conclusion_compares_failures_and_the_worst_wait() {
        assert_eq!(
            conclusion(fate(0, 333, false), fate(923, 9_999, true)),
            "0 of 4,000 failed instead of 923; the worst wait 0.3 s instead of over 9 s"
        );
    }

    #[test]
    fn the_conclusion_does_not_hide_that_the_stack_was_worse() {
        assert_eq!(
            conclusion(fate(1_923, 9_960, false), fate(2, 199, true)),
            "1,923 of 4,000 failed instead of 2; the worst wait 10.0 s instead of over 0.1 s"
        );
    }

    #[test]
    fn without_any_request_there_is_no_wait_to_speak_of() {
        let nothing = Fate { requests: 0, failed: 0, worst: None };
        assert_eq!(conclusion(nothing, nothing), "0 of 0 failed instead of 0");
    }

    #[test]
    fn thousands_are_apart() {
        let written = [0, 999, 1_000, 12_345, 1_234_567].map(|count| Thousands(count).to_string());
        assert_eq!(written, ["0", "999", "1,000", "12,345", "1,234,567"]);
    }
}
