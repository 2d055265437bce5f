use std::error::Error;
use std::sync::Arc;
use std::{fmt, io};

use bytes::Bytes;
use http_body_util::Empty;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

/// How a client can fail to get a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nobody listens: nothing was sent.
    Refused,
    /// The connection was found closed before the request was sent.
    Closed,
    /// `REFUSED_STREAM`: the server did nothing with it.
    RefusedStream,
    /// The connection broke while the request was under way.
    Reset,
    /// The client's own timeout.
    TimedOut,
}

/// The error of a client. Behind it is one that hyper, h2 or the operating system made for exactly this reason, so that the
/// rules have to find out by themselves what it means.
#[derive(Debug, Clone)]
pub(crate) struct Failed {
    pub(crate) fault: Fault,
    source: Arc<dyn Error + Send + Sync>,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the client failed: {:?}", self.fault)
    }
}

impl Error for Failed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

/// One error of each kind.
#[derive(Debug, Clone)]
pub(crate) struct Faults {
    refused: Failed,
    closed: Failed,
    refused_stream: Failed,
    reset: Failed,
    timed_out: Failed,
}

impl Faults {
    /// Provokes them. Needs a runtime, and no network.
    pub(crate) async fn provoke() -> Result<Self, Box<dyn Error + Send + Sync>> {
        let failed = |fault, source| Failed { fault, source };
        Ok(Self {
            refused: failed(Fault::Refused, Arc::new(refused().await?)),
            closed: failed(Fault::Closed, Arc::new(closed().await?)),
            refused_stream: failed(Fault::RefusedStream, Arc::new(refused_stream().await?)),
            reset: failed(Fault::Reset, Arc::new(io::Error::from(io::ErrorKind::ConnectionReset))),
            timed_out: failed(Fault::TimedOut, Arc::new(io::Error::from(io::ErrorKind::TimedOut))),
        })
    }

    pub(crate) fn error(&self, fault: Fault) -> Failed {
        match fault {
            Fault::Refused => self.refused.clone(),
            Fault::Closed => self.closed.clone(),
            Fault::RefusedStream => self.refused_stream.clone(),
            Fault::Reset => self.reset.clone(),
            Fault::TimedOut => self.timed_out.clone(),
        }
    }
}

fn request() -> http::Request<Empty<Bytes>> {
    let mut request = http::Request::new(Empty::new());
    *request.uri_mut() = http::Uri::from_static("http://lab/");
    request
}

/// hyper-util's, of a connector that was refused.
async fn refused() -> Result<hyper_util::client::legacy::Error, &'static str> {
    let connector = tower::service_fn(|_: http::Uri| {
        std::future::ready(Err::<TokioIo<TcpStream>, _>(io::Error::from(io::ErrorKind::ConnectionRefused)))
    });
    let client = Client::builder(TokioExecutor::new()).build::<_, Empty<Bytes>>(connector);
    client.request(request()).await.err().ok_or("a connection that was refused gave a response")
}

/// hyper's, of a connection that was closed before it had the request.
async fn closed() -> Result<hyper::Error, Box<dyn Error + Send + Sync>> {
    let (ours, _theirs) = tokio::io::duplex(1024);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(ours)).await?;
    drop(connection);
    sender.send_request(request()).await.err().ok_or_else(|| "a closed connection gave a response".into())
}

/// h2's, of a server that refused the stream.
async fn refused_stream() -> Result<h2::Error, Box<dyn Error + Send + Sync>> {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    tokio::spawn(async move {
        let Ok(mut connection) = h2::server::handshake(theirs).await else { return };
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            respond.send_reset(h2::Reason::REFUSED_STREAM);
        }
    });
    let (sender, connection) = h2::client::handshake(ours).await?;
    tokio::spawn(connection);
    let mut sender = sender.ready().await?;
    let (response, _) = sender.send_request(request().map(|_| ()), true)?;
    response.await.err().ok_or_else(|| "a refused stream gave a response".into())
}

#[cfg(test)]
mod tests {
    use http::Response;
    use windbreak::http::Http;
    use windbreak::rules::Classify;
    use windbreak::{Effect, Error, Verdict};

    use super::*;

    #[tokio::test]
    async fn the_rules_know_which_of_them_had_no_effect() {
        let faults = Faults::provoke().await.unwrap();
        // The error of a client that is not known is believed once it is said that the client follows no redirects.
        let rules = Http::builder().without_redirects();
        let judge = |fault| rules.classify(Err::<&Response<()>, _>(&Error::Service(faults.error(fault))));
        let effect = |fault| match judge(fault) {
            Verdict::Failure(failure) => failure.effect,
            other => panic!("{other:?}"),
        };
        assert_eq!([Fault::Refused, Fault::Closed, Fault::RefusedStream].map(effect), [Effect::NotApplied; 3]);
        assert_eq!([Fault::Reset, Fault::TimedOut].map(effect), [Effect::Unknown; 2]);
    }
}
