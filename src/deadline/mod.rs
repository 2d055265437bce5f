//! One deadline for all that happens within a request.

mod armed;
mod called;
mod refusing;
mod repeating;
mod scope;
mod timer;
mod waited;
mod within;

pub(crate) use armed::{armed_until, forget_armed, note_armed};
pub(crate) use called::Called;
pub(crate) use refusing::{forget_refusing, refusing_for, report_refusing};
pub(crate) use repeating::{Repeating, is_repeating, may_be_repeating};
pub use scope::deadline;
pub(crate) use scope::{Scope, deadline_in, end_after, end_of};
pub(crate) use timer::{Timer, poll_sleep};
pub(crate) use waited::{WaitMeter, measure_waits, report_wait};
pub(crate) use within::within;
