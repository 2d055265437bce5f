use std::time::Duration;

/// Who may queue, and for how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) max_wait: Duration,
    pub(super) max_queue: usize,
}
