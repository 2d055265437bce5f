use super::circuit::Circuit;

/// What all services of a layer share.
#[derive(Debug)]
// On a cache line that is only read: each request writes to the counts of the pointer.
#[repr(align(64))]
pub(super) struct Breaker<R> {
    pub(super) circuit: Circuit,
    pub(super) rules: R,
}
