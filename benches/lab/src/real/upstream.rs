use std::any::Any;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::ledger::Ledger;
use super::nginx::Nginx;
use super::program::find;
use super::relay::relay;
use super::server::{Conduct, Server};
use super::{haproxy, http2};
use crate::upstream::Schedule;

type Failure = Box<dyn Error + Send + Sync>;

/// What stands at the other end of the sockets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Http1(Conduct),
    /// As often as this all connections fall silent.
    HalfOpen(Duration),
    Http2 {
        reload: Option<Duration>,
        down: Option<Schedule>,
    },
    HalfOpenHttp2(Duration),
    Nginx(Nginx),
    /// With these settings of its server.
    Haproxy {
        settings: &'static str,
        down: Option<Schedule>,
    },
}

/// An upstream that runs; it ends with this value.
pub(super) struct Upstream {
    pub(super) url: String,
    would_answer: Box<dyn Fn() -> f64 + Send + Sync>,
    _parts: Vec<Box<dyn Any + Send + Sync>>,
}

impl Kind {
    /// The program that it needs.
    pub(super) const fn program(self) -> Option<&'static str> {
        match self {
            Self::Nginx(_) => Some("nginx"),
            Self::Haproxy { .. } => Some("haproxy"),
            _ => None,
        }
    }

    /// Starts it. `share` is how much of what is asked of it it can answer well, where that is not known better.
    pub(super) async fn start(self, share: f64, ledger: &Arc<Ledger>) -> Result<Upstream, Failure> {
        let program = || {
            let name = self.program().unwrap_or_default();
            find(name).ok_or_else(|| format!("{name} is not installed"))
        };
        let server = |conduct, down| Server::start(conduct, down, Arc::clone(ledger));
        let would = Box::new(move || share);
        Ok(match self {
            Self::Http1(conduct) => {
                let server = Arc::new(server(conduct, None).await?);
                let would = Arc::clone(&server);
                Upstream::new(server.address(), Box::new(move || would.would_answer()), vec![Box::new(server)])
            }
            Self::HalfOpen(period) => {
                let server = server(Conduct::Well, None).await?;
                let relay = relay(server.address(), period, Arc::clone(ledger)).await?;
                Upstream::new(relay.address, would, vec![Box::new(relay), Box::new(server)])
            }
            Self::Http2 { reload, down } => {
                let server = http2::server(reload, down, Arc::clone(ledger)).await?;
                Upstream::new(server.address, would, vec![Box::new(server)])
            }
            Self::HalfOpenHttp2(period) => {
                let server = http2::server(None, None, Arc::clone(ledger)).await?;
                let relay = relay(server.address, period, Arc::clone(ledger)).await?;
                Upstream::new(relay.address, would, vec![Box::new(relay), Box::new(server)])
            }
            Self::Nginx(nginx) => {
                let server = server(nginx.behind, None).await?;
                let nginx = nginx.start(program()?, server.address()).await?;
                Upstream::new(nginx.address, would, vec![Box::new(nginx), Box::new(server)])
            }
            Self::Haproxy { settings, down } => {
                let server = server(Conduct::Well, down).await?;
                let haproxy = haproxy::start(program()?, settings, server.address()).await?;
                let ledger = Arc::clone(ledger);
                let is_down = move || down.is_some_and(|schedule| schedule.left(ledger.now()).is_some());
                let would = Box::new(move || if is_down() { 0.0 } else { share });
                Upstream::new(haproxy.address, would, vec![Box::new(haproxy), Box::new(server)])
            }
        })
    }
}

impl Upstream {
    fn new(
        address: SocketAddr,
        would_answer: Box<dyn Fn() -> f64 + Send + Sync>,
        parts: Vec<Box<dyn Any + Send + Sync>>,
    ) -> Self {
        Self { url: format!("http://{address}/"), would_answer, _parts: parts }
    }

    /// How likely it is that a request would be answered well now.
    pub(super) fn would_answer(&self) -> f64 {
        (self.would_answer)()
    }
}
