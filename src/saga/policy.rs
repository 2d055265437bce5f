use std::time::Duration;

use crate::backoff::Backoff;
use crate::config::{InvalidConfig, check_positive};

/// How often an undo is tried, after which pauses, and for how long in all.
///
/// | setter | default |
/// |---|---|
/// | [`max_attempts`](UndoPolicyBuilder::max_attempts) | 5, counting the first |
/// | [`backoff`](UndoPolicyBuilder::backoff) | from 100 ms, doubling up to 5 s, with jitter down to half |
/// | [`timeout`](UndoPolicyBuilder::timeout) | 30 s |
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UndoPolicy {
    max_attempts: u32,
    backoff: Backoff,
    timeout: Duration,
}

/// Puts an [`UndoPolicy`] together. Made by [`UndoPolicy::builder`].
#[derive(Debug, Clone, Copy)]
#[must_use = "a builder does nothing until it is built"]
pub struct UndoPolicyBuilder(UndoPolicy);

impl Default for UndoPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 5,
            backoff: Backoff::exponential(Duration::from_millis(100)).max(Duration::from_secs(5)),
            timeout: Duration::from_secs(30),
        }
    }
}

impl UndoPolicy {
    /// Starts with the defaults.
    pub fn builder() -> UndoPolicyBuilder {
        UndoPolicyBuilder(Self::default())
    }

    pub(super) const fn max_attempts(&self) -> u32 {
        self.max_attempts
    }

    pub(super) const fn backoff(&self) -> &Backoff {
        &self.backoff
    }

    pub(super) const fn timeout(&self) -> Duration {
        self.timeout
    }
}

impl UndoPolicyBuilder {
    /// How often an undo is tried at most, counting the first attempt.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.0.max_attempts = attempts;
        self
    }

    /// How long to pause before each further attempt.
    pub fn backoff(mut self, backoff: impl Into<Backoff>) -> Self {
        self.0.backoff = backoff.into();
        self
    }

    /// How long one undo may take, with all its attempts and pauses. An undo still at work then is dropped. While it
    /// runs, [`windbreak::deadline()`](crate::deadline()) says until when.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.0.timeout = timeout;
        self
    }

    /// The policy.
    ///
    /// # Errors
    ///
    /// If there is to be no attempt, the timeout is zero, or the backoff contradicts itself.
    pub fn build(self) -> Result<UndoPolicy, InvalidConfig> {
        let Self(policy) = self;
        if policy.max_attempts == 0 {
            return Err(InvalidConfig::new("max_attempts", 0, "at least 1, the first attempt"));
        }
        policy.backoff.validate_as("backoff")?;
        check_positive("timeout", policy.timeout)?;
        Ok(policy)
    }
}
