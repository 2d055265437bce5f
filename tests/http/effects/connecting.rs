//! Without a connection nothing is sent: an error of connecting has no effect.

use std::net::SocketAddr;
use std::time::Duration;

use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;
use windbreak::Effect;

use super::verdicts::{NONE, UNKNOWN, assert_verdicts, effect, judge, post, verdicts};
use crate::support::http::{Version, dead_address, direct_builder};

#[tokio::test]
async fn a_refused_connection_has_no_effect() {
    let url = format!("http://{}/", dead_address());
    for version in [Version::Http1, Version::Http2] {
        assert_verdicts(version, &url, NONE).await;
    }
}

#[tokio::test]
async fn a_name_that_does_not_resolve_has_no_effect() {
    // RFC 6761, section 6.4: never resolves.
    for (client, verdict) in verdicts(Version::Http1, "http://nosuchhost.invalid/").await {
        assert_eq!(effect(verdict), Some(Effect::NotApplied), "{client}");
    }
}

/// A listener that never accepts, with its queue full: what else comes waits for ever.
async fn unaccepting() -> (TcpListener, SocketAddr, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("the loopback has free ports");
    let listener = socket.listen(1).expect("a bound socket can listen");
    let address = listener.local_addr().expect("a listener has an address");
    let mut queued = Vec::new();
    while let Ok(Ok(stream)) = timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
        queued.push(stream);
        assert!(queued.len() < 100, "the queue of the listener has an end");
    }
    (listener, address, queued)
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_connect_timeout_has_no_effect() {
    let limit = Duration::from_millis(50);
    let (_listener, address, _queued) = unaccepting().await;
    let url = format!("http://{address}/");

    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(limit));
    let hyper = Client::builder(TokioExecutor::new()).build(connector);
    assert_eq!(judge(hyper.request(post(&url)).await), NONE);

    let reqwest = direct_builder(Version::Http1).connect_timeout(limit).build().unwrap();
    let error = reqwest.post(&url).send().await.unwrap_err();
    assert!(error.is_timeout() && error.is_connect(), "{error:?}");
    assert_eq!(judge::<reqwest::Response, _>(Err(error)), NONE);

    // The total timeout may strike at any time; all that is known of it is that it did.
    let reqwest = direct_builder(Version::Http1).timeout(limit).build().unwrap();
    assert_eq!(judge(reqwest.post(&url).send().await), UNKNOWN);
}
