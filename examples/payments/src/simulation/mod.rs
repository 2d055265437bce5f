//! The same program in paused time: memory instead of a database, the providers in the same process, and a crash is that
//! all tasks of the service are dropped at a moment that the seed chooses.

mod chaos;
mod incarnation;
mod line;
mod run;

pub use incarnation::Program;
pub use line::{Line, Mail};
pub use run::{Plan, Run, run};
