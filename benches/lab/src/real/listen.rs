use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::ledger::Ledger;
use super::ports;
use crate::upstream::Schedule;

/// What listens on an address of loopback. It ends with this value, and so do its connections.
pub(super) struct Listening {
    pub(super) address: SocketAddr,
    _tasks: JoinSet<()>,
}

/// Serves each connection by `serve`. While it is down, nobody listens and all connections are gone.
pub(super) async fn listen<S, F>(down: Option<Schedule>, ledger: Arc<Ledger>, serve: S) -> io::Result<Listening>
where
    S: Fn(TcpStream) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let mut listener = ports::listen().await?;
    let address = listener.local_addr()?;
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        loop {
            match down.and_then(|schedule| schedule.until_down(ledger.now())) {
                Some(up) => drop(timeout(up, accept(listener, &serve)).await),
                None => accept(listener, &serve).await,
            }
            if let Some(left) = down.and_then(|schedule| schedule.left(ledger.now())) {
                sleep(left).await;
            }
            listener = bind(address).await;
        }
    });
    Ok(Listening { address, _tasks: tasks })
}

async fn accept<S, F>(listener: TcpListener, serve: &S)
where
    S: Fn(TcpStream) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        if stream.set_nodelay(true).is_ok() {
            connections.spawn(serve(stream));
        }
        while connections.try_join_next().is_some() {}
    }
    pending::<()>().await;
}

/// No other server of this program has it, but an outgoing connection may for a moment.
async fn bind(address: SocketAddr) -> TcpListener {
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
    }
}
