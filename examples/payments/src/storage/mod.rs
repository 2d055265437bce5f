//! Where the order service keeps what it must not lose: SQLite, PostgreSQL, or memory for the simulation.

mod change;
mod database;
mod driver;
mod error;
mod journal;
mod memory;
mod postgres;
mod row;
mod sql;
mod sqlite;
mod statements;
mod store;

pub use change::Change;
pub use error::StorageError;
pub use journal::{Journal, Told};
pub use memory::{Memory, Trouble};
pub use postgres::Postgres;
pub use sql::Sql;
pub use sqlite::Sqlite;
pub use store::{Changed, Letter, Placed, Quota, Recorded, Storage};
