//! A server sends what the test feeds it, piece by piece.

use std::sync::Arc;

use tokio::sync::{Mutex, mpsc};

use crate::support::http::{Peer, Server};

pub(super) const HEAD: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

#[derive(Debug)]
pub(super) enum Piece {
    Send(&'static str),
    Reset,
    /// The answer is complete, and the next request may come.
    Next,
}

pub(super) const HELLO: Piece = Piece::Send("5\r\nhello\r\n");
pub(super) const END: Piece = Piece::Send("0\r\n\r\n");

/// A server of which the test feeds the answers, to one connection at a time.
pub(super) struct Fed {
    pub(super) server: Server,
    feed: mpsc::UnboundedSender<Piece>,
}

impl Fed {
    pub(super) async fn new() -> Self {
        async fn script(mut peer: Peer, pieces: Arc<Mutex<mpsc::UnboundedReceiver<Piece>>>) {
            while peer.request().await.is_some() {
                let mut pieces = pieces.lock().await;
                loop {
                    let piece = tokio::select! {
                        biased;
                        piece = pieces.recv() => piece,
                        () = peer.closed() => return,
                    };
                    match piece {
                        Some(Piece::Send(text)) => peer.send(text).await,
                        Some(Piece::Reset) => return peer.reset(),
                        Some(Piece::Next) | None => break,
                    };
                }
            }
        }

        let (feed, pieces) = mpsc::unbounded_channel();
        let pieces = Arc::new(Mutex::new(pieces));
        let server = Server::raw(move |peer| script(peer, Arc::clone(&pieces))).await;
        Self { server, feed }
    }

    pub(super) fn feed<const N: usize>(&self, pieces: [Piece; N]) {
        for piece in pieces {
            self.feed.send(piece).expect("the server is there");
        }
    }
}
