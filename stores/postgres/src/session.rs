use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use tokio_postgres::{Client, Error};
use windbreak::outbox::StoreError;

/// How long to wait for the database, also for a connection to it. A connection that is silent for longer is given up: it may
/// lead nowhere, and the system would notice that after many minutes only.
const PATIENCE: Duration = Duration::from_secs(10);

type Connecting<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// One connection, replaced when it is lost. Statements of several tasks go over it one behind the other, none waiting for
/// the response to the one before.
pub(crate) struct Session {
    connect: Box<dyn Fn() -> Connecting<Result<Client, Error>> + Send + Sync>,
    line: Mutex<Line>,
}

#[derive(Default)]
struct Line {
    client: Option<Arc<Client>>,
    /// Whoever waits for it may be dropped before it ends; the next one goes on with it. Else a call that may take less time
    /// than a connection would never get one.
    connecting: Option<Connecting<Result<Result<Client, Error>, Elapsed>>>,
}

impl Session {
    pub(crate) fn new<F, Fut>(connect: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Client, Error>> + Send + 'static,
    {
        Self { connect: Box::new(move || Box::pin(connect())), line: Mutex::default() }
    }

    /// The connection, or a new one where it is lost.
    pub(crate) async fn client(&self) -> Result<Arc<Client>, StoreError> {
        let mut line = self.line.lock().await;
        if let Some(client) = line.client.as_ref().filter(|client| !client.is_closed()) {
            return Ok(Arc::clone(client));
        }
        line.client = None;
        let connected = line.connecting.get_or_insert_with(|| Box::pin(timeout(PATIENCE, (self.connect)()))).await;
        line.connecting = None;
        let client = Arc::new(connected.map_err(|_| silent("connection"))?.map_err(StoreError::failed)?);
        line.client = Some(Arc::clone(&client));
        Ok(client)
    }

    /// What a call over `client` returns. One that is not answered in time gives the connection up.
    pub(crate) async fn bound<T>(
        &self,
        client: &Arc<Client>,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, StoreError> {
        if let Ok(result) = timeout(PATIENCE, call).await {
            return result.map_err(StoreError::failed);
        }
        let mut line = self.line.lock().await;
        line.client.take_if(|current| Arc::ptr_eq(current, client));
        Err(silent("response"))
    }
}

fn silent(missing: &str) -> StoreError {
    StoreError::failed(format!("no {missing} within {PATIENCE:?}"))
}
