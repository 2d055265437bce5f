use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

use super::app::App;
use super::wire::{HttpMail, HttpWire};
use crate::gateway::Numbers;
use crate::service::{Shop, relay};
use crate::storage::{Storage, StorageError};

/// What the order service has to know.
#[derive(Debug, Clone)]
pub struct Serve {
    pub listen: SocketAddr,
    /// Alpha's and Beta's.
    pub providers: [String; 2],
    pub events: String,
    pub numbers: Numbers,
    pub is_naive: bool,
}

/// Why the order service does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("{0}")]
    Storage(#[from] StorageError),
    #[error("{0}")]
    Numbers(#[from] windbreak::InvalidConfig),
    #[error("no HTTP client: {0}")]
    Client(#[from] reqwest::Error),
    #[error("cannot listen: {0}")]
    Io(#[from] io::Error),
}

/// Serves orders until `shutdown`, then ends what it holds.
pub async fn serve<S: Storage>(
    storage: S,
    serve: Serve,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let [alpha, beta] = serve.providers.clone();
    let wires = [HttpWire::new(alpha)?, HttpWire::new(beta)?];
    let shop = Shop::new(storage, wires, serve.numbers)?;
    shop.restore_switches().await?;
    let events = serve.events.as_str().into();
    let mail = HttpMail { client: client.clone(), url: serve.events };
    let listener = TcpListener::bind(serve.listen).await?;
    let app = App {
        shop: shop.clone(),
        naive: serve.is_naive.then(|| mail.clone()),
        providers: Arc::new(serve.providers),
        events,
        client,
    };
    let (end, mut stopped) = tokio::sync::watch::channel(false);
    tokio::spawn(async move {
        shutdown.await;
        end.send_replace(true);
    });
    let mut relays_stopped = stopped.clone();
    let relays = async {
        if serve.is_naive {
            return Ok(());
        }
        relay(shop, mail, async move { _ = relays_stopped.wait_for(|stopped| *stopped).await }).await
    };
    let serving = axum::serve(listener, app.router())
        .with_graceful_shutdown(async move { _ = stopped.wait_for(|stopped| *stopped).await });
    let (served, relayed) = tokio::join!(serving, relays);
    served?;
    Ok(relayed?)
}
