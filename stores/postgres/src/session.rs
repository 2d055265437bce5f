use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_postgres::{Client, Error};
use windbreak::outbox::StoreError;

/// How long to wait for the database, also for a connection to it. A connection that is silent for longer is given up: it may
/// lead nowhere, and the system would notice that after many minutes only.
const PATIENCE: Duration = Duration::from_secs(10);

type Connecting = Pin<Box<dyn Future<Output = Result<Client, Error>> + Send>>;

/// One connection, replaced when it is lost. Statements of several tasks go over it one behind the other, none waiting for
/// the response to the one before.
pub(crate) struct Session {
    connect: Box<dyn Fn() -> Connecting + Send + Sync>,
    client: Mutex<Option<Arc<Client>>>,
}

impl Session {
    pub(crate) fn new<F, Fut>(connect: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Client, Error>> + Send + 'static,
    {
        Self { connect: Box::new(move || Box::pin(connect())), client: Mutex::new(None) }
    }

    /// The connection, or a new one where it is lost.
    pub(crate) async fn client(&self) -> Result<Arc<Client>, StoreError> {
        let mut current = self.client.lock().await;
        if let Some(client) = current.as_ref().filter(|client| !client.is_closed()) {
            return Ok(Arc::clone(client));
        }
        *current = None;
        let client = timeout(PATIENCE, (self.connect)()).await.map_err(|_| silent("connection"))?;
        let client = Arc::new(client.map_err(StoreError::failed)?);
        *current = Some(Arc::clone(&client));
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
        let mut current = self.client.lock().await;
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, client)) {
            *current = None;
        }
        Err(silent("response"))
    }
}

fn silent(missing: &str) -> StoreError {
    StoreError::failed(format!("no {missing} within {PATIENCE:?}"))
}
