//! A store without a database.

mod ledger;
mod store;

pub use ledger::State;
pub use store::MemoryStore;
