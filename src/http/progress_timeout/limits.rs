use std::time::Duration;

/// How long a transfer may make no progress; `None` is for ever.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Limits {
    pub(super) read: Option<Duration>,
    pub(super) write: Option<Duration>,
}
