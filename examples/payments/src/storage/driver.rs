//! What the drivers say, in our words.

use std::error::Error as _;

use windbreak::outbox::StoreError;
use windbreak_postgres::tokio_postgres;
use windbreak_sqlite::rusqlite;

use super::error::StorageError;
use super::{postgres, sqlite};

impl From<rusqlite::Error> for StorageError {
    fn from(error: rusqlite::Error) -> Self {
        sqlite::kind(&error)
    }
}

impl From<tokio_postgres::Error> for StorageError {
    fn from(error: tokio_postgres::Error) -> Self {
        postgres::kind(&error)
    }
}

/// The outbox says what its database said.
impl From<StoreError> for StorageError {
    fn from(error: StoreError) -> Self {
        let cause = error.source();
        if let Some(cause) = cause.and_then(|cause| cause.downcast_ref()) {
            return sqlite::kind(cause);
        }
        cause.and_then(|cause| cause.downcast_ref()).map_or_else(|| Self::Other(error.to_string()), postgres::kind)
    }
}
