//! Ports of loopback, each of which is handed out once. A server that is down for a while must find its port free when it
//! comes back, and a proxy listens a moment after its port was found: if another server got it meanwhile, the clients of
//! the one would ask the other.

use std::collections::BTreeSet;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Mutex, PoisonError};

use tokio::net::TcpListener;

static HANDED_OUT: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// Listens on a port that nobody of this program had before.
pub(super) async fn listen() -> io::Result<TcpListener> {
    // Kept until one is found, so that none is offered twice.
    let mut known = Vec::new();
    loop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        if HANDED_OUT.lock().unwrap_or_else(PoisonError::into_inner).insert(port) {
            return Ok(listener);
        }
        known.push(listener);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_is_handed_out_once_also_when_it_is_free_again() {
        let first = listen().await.expect("there are free ports").local_addr().expect("it listens").port();
        // All that are free now come round sooner or later; a few hundred are enough to see one again.
        let mut others = BTreeSet::new();
        for _ in 0..500 {
            let port = listen().await.expect("there are free ports").local_addr().expect("it listens").port();
            assert!(port != first && others.insert(port), "{port}");
        }
    }
}
