use std::time::Duration;

/// What happens to one request. For a [`script`](super::FaultPlan::script).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing: the request passes.
    Ok,
    /// The call is not made, and fails with the error that [`fail`](super::FaultPlan::fail) makes.
    Fail,
    /// The call is made, and its result is held back for this long.
    Delay(Duration),
    /// The call is not made, and there is never a response.
    Hang,
    /// The call is made, its result is thrown away, and there is never a response.
    LoseResponse,
}
