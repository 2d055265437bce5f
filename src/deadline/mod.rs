//! One deadline for all that happens within a request.

mod scope;
mod timer;
mod waited;
mod within;

pub use scope::deadline;
pub(crate) use scope::{Scope, deadline_in, end_of};
pub(crate) use timer::{Timer, poll_sleep};
pub(crate) use waited::{measure_waits, report_wait};
pub(crate) use within::within;
