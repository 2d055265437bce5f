/// What all services of a layer have in common.
#[derive(Debug)]
pub(super) struct Shared<R, H> {
    pub(super) rules: R,
    pub(super) handler: H,
}
