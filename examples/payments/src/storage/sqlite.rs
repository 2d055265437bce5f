//! SQLite: a file beside the program. One connection writes and one reads; each on a thread that may block.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::spawn_blocking;
use windbreak_sqlite::SqliteStore;
use windbreak_sqlite::rusqlite::types::ValueRef;
use windbreak_sqlite::rusqlite::{
    self, Connection, ErrorCode, ToSql, TransactionBehavior, params_from_iter, types::ToSqlOutput,
};

use super::database::{Database, Step, Value, Wrote};
use super::error::StorageError;
use super::sql::Sql;
use super::statements::sqlite_schema;
use crate::gauge::holding;

/// How long to wait for another writer: above what any of our transactions takes, also on a busy disk.
const BUSY: Duration = Duration::from_secs(5);

#[derive(Debug, Clone)]
pub struct Sqlite {
    writer: Arc<Mutex<Connection>>,
    reader: Arc<Mutex<Connection>>,
    events: SqliteStore,
    sweeps: SqliteStore,
}

impl Sqlite {
    /// Opens the file, or makes it. It blocks on the file: call it while the program starts.
    pub fn open(path: &Path) -> Result<Sql<Self>, StorageError> {
        Self::open_with(path, |_| Ok(()))
    }

    /// The same, with settings of your own for the connections, once the tables are there.
    pub fn open_with(
        path: &Path,
        settings: impl Fn(&Connection) -> rusqlite::Result<()>,
    ) -> Result<Sql<Self>, StorageError> {
        let events = SqliteStore::open(path)?;
        let connect = || {
            let connection = Connection::open(path)?;
            connection.busy_timeout(BUSY)?;
            connection.pragma_update(None, "journal_mode", "wal")?;
            // What is told to a provider must still be known after a power cut.
            connection.pragma_update(None, "synchronous", "full")?;
            Ok::<_, StorageError>(connection)
        };
        let (writer, reader) = (connect()?, connect()?);
        writer.execute_batch(&sqlite_schema())?;
        [&writer, &reader].into_iter().try_for_each(settings)?;
        let (sweeps, events) = (events.queue("sweeps"), events.queue("events"));
        let [writer, reader] = [writer, reader].map(|connection| Arc::new(Mutex::new(connection)));
        Ok(Sql::new(Self { writer, reader, events, sweeps }))
    }
}

impl Database for Sqlite {
    type Outbox = SqliteStore;

    fn events(&self) -> SqliteStore {
        self.events.clone()
    }

    fn sweeps(&self) -> SqliteStore {
        self.sweeps.clone()
    }

    async fn write(&self, steps: Vec<Step>) -> Result<Wrote, StorageError> {
        let _held = holding();
        let this = self.clone();
        blocking(move || {
            let mut connection = this.writer.lock().unwrap_or_else(PoisonError::into_inner);
            this.transact(&mut connection, &steps)
        })
        .await
    }

    async fn read(&self, sql: &'static str, values: Vec<Value>) -> Result<Vec<Vec<Value>>, StorageError> {
        let _held = holding();
        let reader = Arc::clone(&self.reader);
        blocking(move || {
            let connection = reader.lock().unwrap_or_else(PoisonError::into_inner);
            let mut statement = connection.prepare(sql)?;
            let columns = statement.column_count();
            let mut rows = statement.query(params_from_iter(&values))?;
            let mut read = Vec::new();
            while let Some(row) = rows.next()? {
                let value = |index| row.get_ref(index).map(value).map_err(StorageError::from);
                read.push((0..columns).map(value).collect::<Result<_, _>>()?);
            }
            Ok(read)
        })
        .await
    }
}

impl Sqlite {
    fn transact(&self, connection: &mut Connection, steps: &[Step]) -> Result<Wrote, StorageError> {
        // It takes the lock at once: a transaction that begins to read and then writes can be refused half-way.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for (index, step) in steps.iter().enumerate() {
            let run = |sql: &str, values: &[Value]| {
                transaction
                    .prepare(sql)
                    .and_then(|mut run| run.execute(params_from_iter(values)))
                    .map_err(StorageError::from)
            };
            match step {
                Step::Run(sql, values) => _ = run(sql, values)?,
                // Dropped, the transaction is rolled back.
                Step::Must(sql, values) if run(sql, values)? == 0 => return Ok(Wrote::StoppedAt(index)),
                Step::Must(..) => {}
                Step::Event(message) => self.events.insert_in(&transaction, message)?,
                Step::Sweep(message) => self.sweeps.insert_in(&transaction, message)?,
            }
        }
        transaction.commit()?;
        Ok(Wrote::All)
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Number(number) => ValueRef::Integer(*number),
            Self::Null => ValueRef::Null,
        }))
    }
}

fn value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Integer(number) => Value::Number(number),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Null | ValueRef::Real(_) | ValueRef::Blob(_) => Value::Null,
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    spawn_blocking(work).await.unwrap_or_else(|error| Err(StorageError::Other(error.to_string())))
}

pub(super) fn kind(error: &rusqlite::Error) -> StorageError {
    let text = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StorageError::Locked(text),
        Some(ErrorCode::ReadOnly) => StorageError::ReadOnly(text),
        Some(ErrorCode::DiskFull) => StorageError::Full(text),
        _ => StorageError::Other(text),
    }
}
