use std::sync::Arc;

use super::provider::Instance;
use super::switches::Switches;

/// What all services of a failover have in common.
pub(super) struct Shared<R, Request, T, E> {
    pub(super) rules: R,
    pub(super) switches: Arc<Switches>,
    /// An instance of each provider, to be cloned.
    pub(super) spares: Box<[Instance<Request, T, E>]>,
}
