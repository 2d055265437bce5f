use windbreak::outbox::{Message, Store};

use super::error::StorageError;

/// A value of a statement, or of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Text(String),
    Number(i64),
    Null,
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<Option<&str>> for Value {
    fn from(text: Option<&str>) -> Self {
        text.map_or(Self::Null, Self::from)
    }
}

/// One step of a transaction.
#[derive(Debug, Clone)]
pub enum Step {
    /// A statement.
    Run(&'static str, Vec<Value>),
    /// A statement that must change a row, or nothing of the transaction is written.
    Must(&'static str, Vec<Value>),
    Event(Message),
    Sweep(Message),
}

/// What became of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrote {
    All,
    /// Nothing: the step of this index changed no row.
    StoppedAt(usize),
}

/// A driver: it runs transactions and reads rows. It keeps no connection beyond the end of a call.
pub trait Database: Clone + Send + Sync + 'static {
    type Outbox: Store + Clone + 'static;

    fn events(&self) -> Self::Outbox;
    fn sweeps(&self) -> Self::Outbox;

    fn write(&self, steps: Vec<Step>) -> impl Future<Output = Result<Wrote, StorageError>> + Send;

    fn read(
        &self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> impl Future<Output = Result<Vec<Vec<Value>>, StorageError>> + Send;
}
