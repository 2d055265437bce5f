use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, GenericClient, NoTls, Row};
use windbreak::outbox::postgres::{CLAIM, DELETE_DONE, INSERT, NEXT_DUE, PARKED, SCHEMA, SETTLE, UNPARK};
use windbreak::outbox::{Claim, Claimed, Lease, Message, NEVER, Parked, ParkedHead, Settlement, Store, StoreError};

use crate::session::Session;

/// How often a claim is repeated that met another one: each time one of the two succeeds, so more means that the database
/// does something else.
const MAX_CLAIMS: u32 = 10;

/// The planner overestimates a claim of many that wait, and compiles for a quarter of a second what then runs for less than
/// a millisecond.
const NO_JIT: &str = "SET jit = off";

/// A value and its type. It goes with the statement, so that nothing has to be prepared: a pooler between can give each
/// statement another connection.
type Value<'a> = (&'a (dyn ToSql + Sync), Type);

/// An outbox in a PostgreSQL database. Cheap to clone: clones share a connection.
#[derive(Clone)]
pub struct PostgresStore {
    session: Arc<Session>,
    queue: Arc<str>,
}

impl PostgresStore {
    /// Connects without TLS, and connects again whenever the connection is lost. `config` is a URL,
    /// `postgres://user@host/database`, or `host=.. user=..`.
    ///
    /// # Errors
    ///
    /// If `config` cannot be read, or the database cannot be reached.
    pub async fn connect(config: &str) -> Result<Self, StoreError> {
        let config: tokio_postgres::Config = config.parse().map_err(StoreError::failed)?;
        let store = Self::new(move || {
            let config = config.clone();
            async move {
                let (client, connection) = config.connect(NoTls).await?;
                // It ends with the client, or with an error that the client's next call returns.
                tokio::spawn(connection);
                client.batch_execute(NO_JIT).await?;
                Ok(client)
            }
        });
        store.session.client().await?;
        Ok(store)
    }

    /// Connects as `connect` does, when it is first used and whenever the connection is lost: with TLS, settings of your own,
    /// or whatever else is needed. `connect` spawns what drives the connection.
    ///
    /// Have it run `SET jit = off`, as [`connect`](Self::connect) does: while tens of thousands of messages wait, PostgreSQL
    /// would compile each claim for a quarter of a second, and then run it in less than a millisecond.
    pub fn new<F, Fut>(connect: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Client, tokio_postgres::Error>> + Send + 'static,
    {
        Self { session: Arc::new(Session::new(connect)), queue: Arc::from("") }
    }

    /// Another outbox in the same table, on the same connection. Ids and topics are those of a queue, and so is a relay: use
    /// one for each upstream. The one that was connected is the queue `""`.
    #[must_use]
    pub fn queue(&self, name: impl Into<Arc<str>>) -> Self {
        Self { session: Arc::clone(&self.session), queue: name.into() }
    }

    /// Makes the outbox's table where it is missing. Several processes may do so at once.
    ///
    /// # Errors
    ///
    /// What the database said.
    pub async fn create_table(&self) -> Result<(), StoreError> {
        // One message, so one transaction. The lock is there because `IF NOT EXISTS` alone fails where two meet.
        let batch = format!("SELECT pg_advisory_xact_lock(hashtext('outbox_messages'));\n{SCHEMA}");
        let client = self.session.client().await?;
        self.session.bound(&client, client.batch_execute(&batch)).await
    }

    /// Writes a message within a transaction of yours. Once that has committed,
    /// [`notify`](windbreak::outbox::RelayHandle::notify) the relay.
    ///
    /// # Errors
    ///
    /// [`StoreError::Duplicate`] if the id is there already; the transaction can go on all the same. Or what the database
    /// said.
    pub async fn insert_in(&self, client: &impl GenericClient, message: &Message) -> Result<(), StoreError> {
        let inserted = insert(client, &self.queue, message).await.map_err(StoreError::failed)?;
        if inserted == 0 { Err(StoreError::duplicate(message.id.as_str())) } else { Ok(()) }
    }

    async fn query(&self, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>, StoreError> {
        let client = self.session.client().await?;
        self.session.bound(&client, client.query_typed(sql, values)).await
    }

    /// How many rows it changed.
    async fn execute(&self, sql: &str, values: &[Value<'_>]) -> Result<u64, StoreError> {
        let client = self.session.client().await?;
        self.session.bound(&client, client.execute_typed(sql, values)).await
    }
}

impl Store for PostgresStore {
    async fn insert(&self, message: &Message) -> Result<(), StoreError> {
        let client = self.session.client().await?;
        let inserted = self.session.bound(&client, insert(&*client, &self.queue, message)).await?;
        if inserted == 0 { Err(StoreError::duplicate(message.id.as_str())) } else { Ok(()) }
    }

    async fn claim(&self, limit: usize, lease: Duration, parked: ParkedHead) -> Result<Vec<Claimed>, StoreError> {
        let queue = &*self.queue;
        let (limit, lease, steps_over) = (count(limit), seconds(lease), steps_over(parked));
        let values = [text(&queue), (&limit, Type::INT8), (&lease, Type::FLOAT8), (&steps_over, Type::BOOL)];
        let mut claims = 1;
        loop {
            match self.query(CLAIM, &values).await {
                Err(error) if claims < MAX_CLAIMS && met_another(&error) => claims += 1,
                result => return result?.iter().map(claimed).collect(),
            }
        }
    }

    async fn settle(&self, claim: &Claim, settlement: &Settlement) -> Result<Lease, StoreError> {
        let queue = &*self.queue;
        let (state, after, attempts, reason) = match settlement {
            Settlement::Done => ("done", 0.0, None, None),
            Settlement::Again { after, attempts, reason } => {
                ("waiting", seconds(*after), Some(i64::from(*attempts)), Some(reason))
            }
            Settlement::Parked { attempts, reason } => ("parked", 0.0, Some(i64::from(*attempts)), Some(reason)),
        };
        // A text holds no null character here, and a result that cannot be written is delivered again.
        let reason = reason.map(|reason| reason.replace('\0', "\u{fffd}"));
        let Ok(number) = i64::try_from(claim.number) else { return Ok(Lease::Lost) };
        let values: [Value<'_>; 7] = [
            text(&queue),
            text(&claim.id),
            (&number, Type::INT8),
            text(&state),
            (&after, Type::FLOAT8),
            (&attempts, Type::INT8),
            (&reason, Type::TEXT),
        ];
        Ok(if self.execute(SETTLE, &values).await? == 0 { Lease::Lost } else { Lease::Held })
    }

    async fn next_due(&self, parked: ParkedHead) -> Result<Option<Duration>, StoreError> {
        let queue = &*self.queue;
        let steps_over = steps_over(parked);
        let rows = self.query(NEXT_DUE, &[text(&queue), (&steps_over, Type::BOOL)]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let seconds: f64 = row.try_get(0).map_err(StoreError::failed)?;
        // Rounded up, so that whoever waits for it does not come too early.
        let up = if seconds > 0.0 { Duration::from_micros(1) } else { Duration::ZERO };
        Ok(Some(Duration::try_from_secs_f64(seconds).unwrap_or(NEVER).saturating_add(up)))
    }

    async fn parked(&self, offset: usize, limit: usize) -> Result<Vec<Parked>, StoreError> {
        let queue = &*self.queue;
        let (offset, limit) = (count(offset), count(limit));
        let rows = self.query(PARKED, &[text(&queue), (&limit, Type::INT8), (&offset, Type::INT8)]).await?;
        let parked = |row: &Row| Ok(Parked::new(message(row)?, row.try_get::<_, String>(4)?));
        rows.iter().map(parked).collect::<Result<_, tokio_postgres::Error>>().map_err(StoreError::failed)
    }

    async fn unpark(&self, id: &str) -> Result<bool, StoreError> {
        let queue = &*self.queue;
        Ok(self.execute(UNPARK, &[text(&queue), text(&id)]).await? > 0)
    }

    async fn delete_done(&self, for_longer_than: Duration, limit: usize) -> Result<usize, StoreError> {
        let queue = &*self.queue;
        let (seconds, limit) = (seconds(for_longer_than), count(limit));
        let values = [text(&queue), (&seconds as _, Type::FLOAT8), (&limit, Type::INT8)];
        Ok(usize::try_from(self.execute(DELETE_DONE, &values).await?).unwrap_or(usize::MAX))
    }
}

async fn insert(client: &impl GenericClient, queue: &str, message: &Message) -> Result<u64, tokio_postgres::Error> {
    let due_in = seconds(message.due_in);
    let values: [Value<'_>; 5] = [
        text(&queue),
        text(&message.id),
        text(&message.topic),
        (&message.payload, Type::BYTEA),
        (&due_in, Type::FLOAT8),
    ];
    client.execute_typed(INSERT, &values).await
}

fn message(row: &Row) -> Result<Message, tokio_postgres::Error> {
    let message = Message::new(row.try_get::<_, String>(0)?).topic(row.try_get::<_, String>(1)?);
    Ok(message.payload(row.try_get::<_, Vec<u8>>(2)?).attempts(small(row.try_get(3)?)))
}

fn claimed(row: &Row) -> Result<Claimed, StoreError> {
    let claimed = || {
        let message = message(row)?;
        let claim = Claim::new(message.id.as_str(), u64::try_from(row.try_get::<_, i64>(4)?).unwrap_or_default());
        Ok::<_, tokio_postgres::Error>(Claimed::new(message, claim, small(row.try_get(5)?)))
    };
    claimed().map_err(StoreError::failed)
}

/// Whether a claim broke the index that keeps one message of a topic in flight, or lost to another transaction otherwise:
/// repeated, it sees what the other one did.
fn met_another(error: &StoreError) -> bool {
    let StoreError::Failed(error) = error else { return false };
    let code = error.downcast_ref::<tokio_postgres::Error>().and_then(tokio_postgres::Error::code);
    code.is_some_and(|code| {
        [SqlState::UNIQUE_VIOLATION, SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED]
            .contains(code)
    })
}

/// A count that somebody wrote by hand may be out of bounds: better a wrong count than a message that cannot be claimed.
fn small(count: i64) -> u32 {
    u32::try_from(count.max(0)).unwrap_or(u32::MAX)
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// In the database's unit. Exact to the microsecond, which is what it counts in.
fn seconds(duration: Duration) -> f64 {
    duration.min(NEVER).as_secs_f64()
}

fn steps_over(parked: ParkedHead) -> bool {
    parked == ParkedHead::IsSteppedOver
}

fn text<T: ToSql + Sync>(value: &T) -> Value<'_> {
    (value, Type::TEXT)
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("queue", &self.queue).finish_non_exhaustive()
    }
}
