//! Where the order service keeps what it must not lose: SQLite, PostgreSQL, or memory for the simulation.

mod change;
mod error;
mod journal;
mod memory;
mod store;

pub use change::Change;
pub use error::StorageError;
pub use journal::{Journal, Told};
pub use memory::{Memory, Trouble};
pub use store::{Changed, Letter, Placed, Quota, Recorded, Storage};
