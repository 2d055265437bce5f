use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use tokio::task::spawn_blocking;
use windbreak::outbox::sqlite::{CLAIM, DELETE_DONE, INSERT, NEXT_DUE, PARKED, SCHEMA, SETTLE, UNPARK};
use windbreak::outbox::{Claim, Claimed, Lease, Message, NEVER, Parked, ParkedHead, Settlement, Store, StoreError};

/// An outbox in an SQLite database. Cheap to clone: clones share a connection.
#[derive(Clone)]
pub struct SqliteStore {
    /// Locked for a statement at a time, on a thread that may block.
    connection: Arc<Mutex<Connection>>,
    queue: Arc<str>,
}

impl SqliteStore {
    /// Opens the database, or creates it, and makes the outbox's table where it is missing. It has a connection of its own,
    /// beside those of the program.
    ///
    /// The file is put into WAL mode, and each transaction is synced to the disk before it counts as committed.
    ///
    /// This blocks on the file: call it while the program starts.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened, is no database, or may not be written to; or if another process holds a lock on it for
    /// longer than the connection's busy timeout: 5 s.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::new(Connection::open(path).map_err(StoreError::failed)?)
    }

    /// The same on a connection that was opened otherwise. Its busy timeout is left as it is.
    ///
    /// # Errors
    ///
    /// Those of [`open`](Self::open).
    pub fn new(connection: Connection) -> Result<Self, StoreError> {
        set_up(&connection).map_err(StoreError::failed)?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)), queue: Arc::from("") })
    }

    /// Another outbox in the same table, on the same connection. Ids and topics are those of a queue, and so is a relay: use
    /// one for each upstream. The one that was opened is the queue `""`.
    #[must_use]
    pub fn queue(&self, name: impl Into<Arc<str>>) -> Self {
        Self { connection: Arc::clone(&self.connection), queue: name.into() }
    }

    /// Writes a message within a transaction of yours, on a connection of yours to the same file. Once that has committed,
    /// [`notify`](windbreak::outbox::RelayHandle::notify) the relay.
    ///
    /// # Errors
    ///
    /// [`StoreError::Duplicate`] if the id is there already; the transaction can go on all the same. Or what the database
    /// said.
    pub fn insert_in(&self, connection: &Connection, message: &Message) -> Result<(), StoreError> {
        insert(connection, &self.queue, message)
    }

    /// Runs `work` on a thread that may block.
    async fn run<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, &str) -> Result<T, StoreError> + Send + 'static,
    {
        let Self { connection, queue } = self.clone();
        let run = move || work(&connection.lock().unwrap_or_else(PoisonError::into_inner), &queue);
        spawn_blocking(run).await.map_err(StoreError::failed)?
    }
}

impl Store for SqliteStore {
    async fn insert(&self, message: &Message) -> Result<(), StoreError> {
        let message = message.clone();
        self.run(move |connection, queue| insert(connection, queue, &message)).await
    }

    async fn claim(&self, limit: usize, lease: Duration, parked: ParkedHead) -> Result<Vec<Claimed>, StoreError> {
        self.run(move |connection, queue| {
            // Reading waits for no writer. Only where there is something does it ask for the lock of the file.
            if next_due(connection, queue, parked)? != Some(Duration::ZERO) {
                return Ok(Vec::new());
            }
            let mut statement = connection.prepare_cached(CLAIM).map_err(StoreError::failed)?;
            let numbers = params![queue, count(limit), millis(lease), steps_over(parked)];
            let rows = statement.query_map(numbers, claimed).map_err(StoreError::failed)?;
            rows.collect::<Result<_, _>>().map_err(StoreError::failed)
        })
        .await
    }

    async fn settle(&self, claim: &Claim, settlement: &Settlement) -> Result<Lease, StoreError> {
        let (claim, settlement) = (claim.clone(), settlement.clone());
        self.run(move |connection, queue| {
            let (state, after, attempts, reason) = match settlement {
                Settlement::Done => ("done", Duration::ZERO, None, None),
                Settlement::Again { after, attempts, reason } => ("waiting", after, Some(attempts), Some(reason)),
                Settlement::Parked { attempts, reason } => ("parked", Duration::ZERO, Some(attempts), Some(reason)),
            };
            let Ok(number) = i64::try_from(claim.number) else { return Ok(Lease::Lost) };
            let values = params![queue, claim.id, number, state, millis(after), attempts, reason];
            let changed = change(connection, SETTLE, values)?;
            Ok(if changed == 0 { Lease::Lost } else { Lease::Held })
        })
        .await
    }

    async fn next_due(&self, parked: ParkedHead) -> Result<Option<Duration>, StoreError> {
        self.run(move |connection, queue| next_due(connection, queue, parked)).await
    }

    async fn parked(&self, offset: usize, limit: usize) -> Result<Vec<Parked>, StoreError> {
        self.run(move |connection, queue| {
            let mut statement = connection.prepare_cached(PARKED).map_err(StoreError::failed)?;
            let parked = |row: &Row<'_>| Ok(Parked::new(message(row)?, row.get::<_, String>(4)?));
            let rows =
                statement.query_map(params![queue, count(limit), count(offset)], parked).map_err(StoreError::failed)?;
            rows.collect::<Result<_, _>>().map_err(StoreError::failed)
        })
        .await
    }

    async fn unpark(&self, id: &str) -> Result<bool, StoreError> {
        let id = id.to_owned();
        self.run(move |connection, queue| Ok(change(connection, UNPARK, params![queue, id])? > 0)).await
    }

    async fn delete_done(&self, for_longer_than: Duration, limit: usize) -> Result<usize, StoreError> {
        self.run(move |connection, queue| {
            change(connection, DELETE_DONE, params![queue, millis(for_longer_than), count(limit)])
        })
        .await
    }
}

fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.execute_batch(SCHEMA)
}

fn insert(connection: &Connection, queue: &str, message: &Message) -> Result<(), StoreError> {
    let values = params![queue, message.id, message.topic, message.payload, millis(message.due_in)];
    if change(connection, INSERT, values)? == 0 {
        return Err(StoreError::duplicate(message.id.as_str()));
    }
    Ok(())
}

fn next_due(connection: &Connection, queue: &str, parked: ParkedHead) -> Result<Option<Duration>, StoreError> {
    let mut statement = connection.prepare_cached(NEXT_DUE).map_err(StoreError::failed)?;
    let due = statement.query_row(params![queue, steps_over(parked)], |row| row.get::<_, i64>(0));
    let due = due.optional().map_err(StoreError::failed)?;
    Ok(due.map(|due| Duration::from_millis(u64::try_from(due).unwrap_or_default())))
}

/// How many rows `sql` changed.
fn change(connection: &Connection, sql: &str, values: &[&dyn rusqlite::ToSql]) -> Result<usize, StoreError> {
    connection.prepare_cached(sql).and_then(|mut statement| statement.execute(values)).map_err(StoreError::failed)
}

fn message(row: &Row<'_>) -> rusqlite::Result<Message> {
    let message = Message::new(row.get::<_, String>(0)?).topic(row.get::<_, String>(1)?);
    Ok(message.payload(row.get::<_, Vec<u8>>(2)?).attempts(small(row.get(3)?)))
}

fn claimed(row: &Row<'_>) -> rusqlite::Result<Claimed> {
    let message = message(row)?;
    let claim = Claim::new(message.id.as_str(), u64::try_from(row.get::<_, i64>(4)?).unwrap_or_default());
    Ok(Claimed::new(message, claim, small(row.get(5)?)))
}

/// A count that somebody wrote by hand may be out of bounds: better a wrong count than a message that cannot be claimed.
fn small(count: i64) -> u32 {
    u32::try_from(count.max(0)).unwrap_or(u32::MAX)
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// In the database's unit, rounded up: a wait does not end early.
fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.min(NEVER).as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX)
}

fn steps_over(parked: ParkedHead) -> bool {
    parked == ParkedHead::IsSteppedOver
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("queue", &self.queue).finish_non_exhaustive()
    }
}
