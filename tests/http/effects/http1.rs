//! An HTTP/1 connection breaks at some point of the exchange: what was sent may have been processed.

use std::time::Duration;

use windbreak::Verdict;

use super::verdicts::{UNKNOWN, assert_verdicts, judge};
use crate::support::http::{Peer, Server, Version, answer, direct_builder};

async fn assert_script<F, T>(expected: Verdict, script: F)
where
    F: Fn(Peer) -> T + Send + Sync + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let server = Server::raw(script).await;
    assert_verdicts(Version::Http1, &server.url("/orders"), expected).await;
    server.is_left_alone().await;
}

#[tokio::test]
async fn the_clients_own_timeout_has_an_unknown_effect() {
    let server = Server::raw(|mut peer| async move {
        peer.request().await;
        peer.closed().await;
    })
    .await;
    let client = direct_builder(Version::Http1).timeout(Duration::from_millis(50)).build().unwrap();
    let error = client.post(server.url("/")).body("order").send().await.unwrap_err();
    assert!(error.is_timeout());
    assert_eq!(judge::<reqwest::Response, _>(Err(error)), UNKNOWN);
    assert_eq!(server.requests(), 1);
    server.is_left_alone().await;
}

#[tokio::test]
async fn a_connection_closed_with_the_request_unread_has_an_unknown_effect() {
    // How would the client know?
    assert_script(UNKNOWN, |peer| async move { peer.readable().await }).await;
    assert_script(UNKNOWN, |peer| async move {
        peer.readable().await;
        peer.reset();
    })
    .await;
}

#[tokio::test]
async fn a_connection_closed_after_reading_has_an_unknown_effect() {
    assert_script(UNKNOWN, |mut peer| async move {
        peer.request().await;
    })
    .await;
}

#[tokio::test]
async fn a_connection_reset_after_reading_has_an_unknown_effect() {
    assert_script(UNKNOWN, |mut peer| async move {
        peer.request().await;
        peer.reset();
    })
    .await;
}

#[tokio::test]
async fn a_head_that_breaks_off_has_an_unknown_effect() {
    assert_script(UNKNOWN, |mut peer| async move {
        peer.request().await;
        peer.send("HTTP/1.1 200 OK\r\ncontent-le").await;
    })
    .await;
}

#[tokio::test]
async fn a_response_that_is_not_http_has_an_unknown_effect() {
    assert_script(UNKNOWN, |mut peer| async move {
        peer.request().await;
        peer.send("SSH-2.0-nothing here\r\n\r\n").await;
        peer.closed().await;
    })
    .await;
}

#[tokio::test]
async fn a_response_before_the_end_of_the_request_counts() {
    assert_script(Verdict::throttled(None), |mut peer| async move {
        // Sent to a connection without a request, it would be nobody's.
        peer.readable().await;
        peer.send(answer(429, &[("connection", "close")], "")).await;
        peer.closed().await;
    })
    .await;
}
