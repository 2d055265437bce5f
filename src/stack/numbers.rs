//! The numbers that a stack has beside those of its parts, and how they are checked against one another.

use std::time::Duration;

use crate::config::{InvalidConfig, check_positive};

/// Long enough that no upstream that is slow but fine is cut off by a number nobody chose.
const TOTAL: Duration = Duration::from_secs(30);
/// A third of it: there is time for two more attempts.
const ATTEMPT: Duration = Duration::from_secs(10);

/// What the user set, where anything.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Times {
    pub(super) total: Option<Duration>,
    pub(super) attempt: Option<Duration>,
    pub(super) connect: Option<Duration>,
}

impl Times {
    /// The total timeout and the attempt timeout. Each default holds for every value of the other.
    pub(super) fn resolve(self) -> (Duration, Duration) {
        match (self.total, self.attempt) {
            (None, Some(Duration::MAX)) => (TOTAL, Duration::MAX),
            (Some(total), Some(attempt)) => (total, attempt),
            (Some(total), None) => (total, ATTEMPT.min(total)),
            (None, Some(attempt)) => (TOTAL.max(attempt.saturating_mul(3)), attempt),
            (None, None) => (TOTAL, ATTEMPT),
        }
    }

    /// Checks what the user set, and nothing else.
    pub(super) fn check(
        self,
        max_attempts: u32,
        slow: Option<Duration>,
        window: Option<Duration>,
        probe: Option<Duration>,
    ) -> Result<(), InvalidConfig> {
        let invalid = |field, value: Duration, bound: String| Err(InvalidConfig::new(field, value, bound));
        for (field, time) in [("total_timeout", self.total), ("attempt_timeout", self.attempt)] {
            time.map_or(Ok(()), |time| check_positive(field, time))?;
        }
        if let Some(connect) = self.connect {
            check_positive("connect_timeout", connect)?;
        }
        // Where it is left out, there is nothing that it could contradict.
        let Some(attempt) = self.attempt.filter(|attempt| *attempt != Duration::MAX) else { return Ok(()) };
        if let Some(total) = self.total.filter(|total| max_attempts > 1 && attempt >= *total) {
            let bound = format!("below the total timeout of {total:?}, or there is no time for a second attempt");
            return invalid("attempt_timeout", attempt, bound);
        }
        if let Some(connect) = self.connect.filter(|connect| attempt <= *connect) {
            let bound = format!("above the connect timeout of {connect:?}, which it would otherwise hide");
            return invalid("attempt_timeout", attempt, bound);
        }
        if let Some(slow) = slow.filter(|slow| *slow >= attempt) {
            let bound = format!("below the attempt timeout of {attempt:?}, or no call is ever slow");
            return invalid("slow_calls threshold", slow, bound);
        }
        if let Some(window) = window.filter(|window| *window < attempt.saturating_mul(2)) {
            let least = attempt.saturating_mul(2);
            let bound =
                format!("at least {least:?}, twice the attempt timeout, or calls are forgotten before others end");
            return invalid("time_window", window, bound);
        }
        if let Some(probe) = probe.filter(|probe| *probe < attempt) {
            let bound = format!("at least the attempt timeout of {attempt:?}, or a healthy probe can fail");
            return invalid("probe_timeout", probe, bound);
        }
        Ok(())
    }
}
