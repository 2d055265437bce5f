//! A store without a database.

mod heads;
mod ledger;
mod rows;
mod store;

pub use rows::State;
pub use store::MemoryStore;
