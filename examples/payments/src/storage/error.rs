/// The database did not do what it was asked to do. Nothing of it was written, unless it is `Lost`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    #[error("the database is locked by somebody else: {0}")]
    Locked(String),
    #[error("the database is read-only: {0}")]
    ReadOnly(String),
    #[error("the database is full: {0}")]
    Full(String),
    /// The connection broke: it may or may not have been written.
    #[error("the database did not answer: {0}")]
    Lost(String),
    #[error("the database failed: {0}")]
    Other(String),
}
