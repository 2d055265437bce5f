//! The other side: two payment providers with their own books, APIs and faults. They know nothing of the order service.

mod alpha;
mod api;
mod beta;
mod books;
mod calls;
mod fate;
mod upstream;

pub use books::{Books, Outcome, Payment, Standing};
pub use calls::Calls;
pub use fate::{Fate, Weather};
pub use upstream::{Broken, CallBack, Condition, Upstream};
