//! A store in a PostgreSQL database for the outbox of `windbreak`.

mod session;
mod store;

pub use store::PostgresStore;
pub use tokio_postgres;
