/// Responses are whole when they are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Plain;

/// Responses have bodies, which the total timeout bounds too unless [`until_head`](crate::stack::StackBuilder::until_head) was called.
#[cfg(feature = "http")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WithBody {
    pub(super) until_head: bool,
}
