//! The half that needs sockets: the same clients, around reqwest and hyper, on loopback. The upstreams are servers of the
//! lab's own, for HTTP/1 and HTTP/2, and nginx and haproxy where they are installed.
//!
//! It plays in real time, some scenarios beside one another, so its figures depend a little on what else the machine does.
//! An attempt is one call of the client, and it is in flight until the head of its response.

mod clients;
mod haproxy;
mod http2;
mod ledger;
mod listen;
mod nginx;
mod play;
mod ports;
mod program;
mod relay;
mod rounds;
mod scenes;
mod server;
mod upstream;

pub(crate) use rounds::rows;

#[cfg(test)]
mod tests;
