//! A store in an SQLite database for the outbox of `windbreak`.

mod store;

pub use rusqlite;
pub use store::SqliteStore;
