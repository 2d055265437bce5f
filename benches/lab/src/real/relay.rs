use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::ledger::Ledger;
use super::listen::{Listening, listen};
use super::server::until_next;

/// Passes on what comes, to `target` and back. As often as `period` all connections that there are fall silent: they stay
/// open, and nothing is passed on any more, as behind a firewall that has forgotten them. New ones are well.
pub(super) async fn relay(target: SocketAddr, period: Duration, ledger: Arc<Ledger>) -> io::Result<Listening> {
    listen(None, Arc::clone(&ledger), move |mut near| {
        let ledger = Arc::clone(&ledger);
        async move {
            let Ok(mut far) = TcpStream::connect(target).await else { return };
            tokio::select! {
                _ = copy_bidirectional(&mut near, &mut far) => {}
                () = sleep(until_next(period, ledger.now())) => pending().await,
            }
        }
    })
    .await
}
