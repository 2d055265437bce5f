/// What all services of a layer have in common.
#[derive(Debug)]
// On a cache line that is only read: each request writes to the counts of the pointer.
#[repr(align(64))]
pub(super) struct Shared<R, H> {
    pub(super) rules: R,
    pub(super) handler: H,
}
