//! PostgreSQL: a pool of connections, each of which carries one transaction at a time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use windbreak_postgres::PostgresStore;
use windbreak_postgres::tokio_postgres::error::SqlState;
use windbreak_postgres::tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use windbreak_postgres::tokio_postgres::{self, Client, NoTls, Row};

use super::database::{Database, Step, Value, Wrote};
use super::error::StorageError;
use super::sql::Sql;
use super::statements::postgres_schema;
use crate::gauge::holding;

/// Above what two cores can work on at once; and a small server admits a hundred, of all programs together.
const CONNECTIONS: usize = 4;

/// How long a transaction may take. The connection is given up then.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Clone)]
pub struct Postgres {
    pool: Arc<Pool>,
    events: PostgresStore,
    sweeps: PostgresStore,
}

#[derive(Debug)]
struct Pool {
    config: tokio_postgres::Config,
    permits: Semaphore,
    idle: Mutex<Vec<Client>>,
}

impl Postgres {
    /// `url` is `postgres://user@host/database`.
    pub async fn connect(url: &str) -> Result<Sql<Self>, StorageError> {
        PostgresStore::connect(url).await?.create_table().await?;
        // The lock is there because `IF NOT EXISTS` alone fails where two programs meet.
        let batch = format!("SELECT pg_advisory_xact_lock(hashtext('orders'));{}", postgres_schema());
        Self::command(url, &batch).await?;
        Self::connect_to_ready(url).await
    }

    /// The same, where the tables are there already.
    pub async fn connect_to_ready(url: &str) -> Result<Sql<Self>, StorageError> {
        let config: tokio_postgres::Config = url.parse()?;
        let outbox_store = PostgresStore::connect(url).await?;
        let pool = Pool { config, permits: Semaphore::new(CONNECTIONS), idle: Mutex::default() };
        let (events, sweeps) = (outbox_store.queue("events"), outbox_store.queue("sweeps"));
        Ok(Sql::new(Self { pool: Arc::new(pool), events, sweeps }))
    }

    /// Makes an empty database on the same server, and returns its URL.
    pub async fn create_database(url: &str, name: &str) -> Result<String, StorageError> {
        Self::command(url, &format!("CREATE DATABASE {name}")).await?;
        let (base, options) = url.split_once('?').map_or((url, ""), |(base, options)| (base, options));
        let host = base.find("://").and_then(|at| base[at + 3..].find('/').map(|slash| &base[..at + 3 + slash]));
        let options = if options.is_empty() { String::new() } else { format!("?{options}") };
        Ok(format!("{}/{name}{options}", host.unwrap_or(base)))
    }

    /// Drops it, also while somebody is connected to it.
    pub async fn drop_database(url: &str, name: &str) -> Result<(), StorageError> {
        Self::command(url, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await
    }

    async fn command(url: &str, command: &str) -> Result<(), StorageError> {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        tokio::spawn(connection);
        client.batch_execute(command).await.map_err(StorageError::from)
    }

    async fn transact(&self, client: &mut Client, steps: &[Step]) -> Result<Wrote, StorageError> {
        let transaction = client.transaction().await?;
        for (index, step) in steps.iter().enumerate() {
            match step {
                Step::Run(sql, values) => {
                    transaction.execute_typed(sql, &typed(values)).await?;
                }
                Step::Must(sql, values) => {
                    if transaction.execute_typed(sql, &typed(values)).await? == 0 {
                        transaction.rollback().await?;
                        return Ok(Wrote::StoppedAt(index));
                    }
                }
                Step::Event(message) => self.events.insert_in(&transaction, message).await?,
                Step::Sweep(message) => self.sweeps.insert_in(&transaction, message).await?,
            }
        }
        // What breaks from here on may be written.
        transaction.commit().await.map_err(|error| match kind(&error) {
            StorageError::Other(text) => StorageError::Lost(text),
            error => error,
        })?;
        Ok(Wrote::All)
    }
}

impl Database for Postgres {
    type Outbox = PostgresStore;

    fn events(&self) -> PostgresStore {
        self.events.clone()
    }

    fn sweeps(&self) -> PostgresStore {
        self.sweeps.clone()
    }

    async fn write(&self, steps: Vec<Step>) -> Result<Wrote, StorageError> {
        let _permit = self.pool.permits.acquire().await.map_err(|error| StorageError::Other(error.to_string()))?;
        let _held = holding();
        let mut client = self.pool.take().await?;
        let wrote = timeout(PATIENCE, self.transact(&mut client, &steps)).await.map_err(|_| silent())?;
        // After an error the transaction is rolled back by its drop; a client that is closed is not kept.
        self.pool.put(client);
        wrote
    }

    async fn read(&self, sql: &'static str, values: Vec<Value>) -> Result<Vec<Vec<Value>>, StorageError> {
        let _permit = self.pool.permits.acquire().await.map_err(|error| StorageError::Other(error.to_string()))?;
        let _held = holding();
        let client = self.pool.take().await?;
        let rows = timeout(PATIENCE, client.query_typed(sql, &typed(&values))).await.map_err(|_| silent())?;
        self.pool.put(client);
        Ok(rows?.iter().map(row).collect())
    }
}

impl Pool {
    async fn take(&self) -> Result<Client, StorageError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(client) = idle.filter(|client| !client.is_closed()) {
            return Ok(client);
        }
        let connecting = timeout(PATIENCE, self.config.connect(NoTls)).await.map_err(|_| silent())?;
        let (client, connection) = connecting?;
        // It ends with the client, or with an error that the client's next call returns.
        tokio::spawn(connection);
        Ok(client)
    }

    fn put(&self, client: Client) {
        if !client.is_closed() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(client);
        }
    }
}

fn typed(values: &[Value]) -> Vec<(&(dyn ToSql + Sync), Type)> {
    values.iter().map(|value| (value as &(dyn ToSql + Sync), value.kind())).collect()
}

impl Value {
    const fn kind(&self) -> Type {
        match self {
            Self::Number(_) => Type::INT8,
            Self::Text(_) | Self::Null => Type::TEXT,
        }
    }
}

impl ToSql for Value {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Text(text) => text.to_sql(kind, out),
            Self::Number(number) => number.to_sql(kind, out),
            Self::Null => Ok(IsNull::Yes),
        }
    }

    fn accepts(kind: &Type) -> bool {
        [Type::INT8, Type::TEXT].contains(kind)
    }

    to_sql_checked!();
}

fn row(row: &Row) -> Vec<Value> {
    let value = |index: usize| match *row.columns()[index].type_() {
        Type::INT8 => row.get::<_, Option<i64>>(index).map_or(Value::Null, Value::Number),
        _ => row.get::<_, Option<String>>(index).map_or(Value::Null, Value::Text),
    };
    (0..row.len()).map(value).collect()
}

fn silent() -> StorageError {
    StorageError::Lost(format!("no response within {PATIENCE:?}"))
}

pub(super) fn kind(error: &tokio_postgres::Error) -> StorageError {
    let text = error.as_db_error().map_or_else(|| error.to_string(), ToString::to_string);
    let Some(code) = error.code() else { return StorageError::Other(text) };
    let locked = [
        &SqlState::LOCK_NOT_AVAILABLE,
        &SqlState::T_R_DEADLOCK_DETECTED,
        &SqlState::T_R_SERIALIZATION_FAILURE,
        &SqlState::QUERY_CANCELED,
    ];
    if locked.contains(&code) {
        StorageError::Locked(text)
    } else if *code == SqlState::READ_ONLY_SQL_TRANSACTION {
        StorageError::ReadOnly(text)
    } else if [&SqlState::DISK_FULL, &SqlState::OUT_OF_MEMORY].contains(&code) {
        StorageError::Full(text)
    } else {
        StorageError::Other(text)
    }
}
