use super::circuit::Circuit;

/// What all services of a layer share.
#[derive(Debug)]
pub(super) struct Breaker<R> {
    pub(super) circuit: Circuit,
    pub(super) rules: R,
}
