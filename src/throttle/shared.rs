use super::handle::Throttle;

/// What all services of a layer have in common.
#[derive(Debug)]
pub(super) struct Shared<R> {
    pub(super) throttle: Throttle,
    pub(super) rules: R,
}
