//! What the clones of a service share, so that threads that call different clones wait little for one another.

mod instance;
mod line;

pub(crate) use instance::{Instance, Pointer};
pub(crate) use line::Line;
