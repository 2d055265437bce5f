//! Looks at everything when a run is over: the orders, both providers' books, the quota, the events. A single wrong cent
//! fails it.

mod examine;
mod facts;
mod report;
mod wrong;

pub use examine::audit;
pub use facts::{Facts, Promise};
pub use report::{Finding, Line, Report};
pub use wrong::Wrong;
