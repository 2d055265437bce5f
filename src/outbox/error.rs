/// Boxed error, as tower has it.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a store did not do what it was asked to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The message was not written: another one has its id.
    #[error("the outbox has a message with the id `{id}` already")]
    #[non_exhaustive]
    Duplicate {
        /// The id.
        id: String,
    },
    /// The database failed: it is gone, locked, full, or may not be written to. What it said is the source.
    #[error("the store of the outbox failed")]
    Failed(#[source] BoxError),
}

impl StoreError {
    /// Another message has this id.
    pub fn duplicate(id: impl Into<String>) -> Self {
        Self::Duplicate { id: id.into() }
    }

    /// What the database said.
    pub fn failed(error: impl Into<BoxError>) -> Self {
        Self::Failed(error.into())
    }
}
