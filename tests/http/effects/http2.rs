//! An HTTP/2 server refuses a stream, resets it or goes away, and only some of these prove that there was no effect.

use windbreak::Verdict;

use super::verdicts::{FREE, UNKNOWN, assert_verdicts, judge, post};
use crate::support::http::{Peer, Server, Version, hyper_client};

// Error codes of RFC 9113, section 7.
const NO_ERROR: u32 = 0;
const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

/// HTTP/2: for each request, what the script does after the preface.
async fn assert_http2_script<F, T>(expected: Verdict, script: F)
where
    F: Fn(Peer, u32) -> T + Clone + Send + Sync + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let server = Server::raw(move |mut peer| {
        let script = script.clone();
        async move {
            if peer.http2_preface().await.is_some() {
                if let Some(stream) = peer.http2_request().await {
                    script(peer, stream).await;
                }
            }
        }
    })
    .await;
    assert_verdicts(Version::Http2, &server.url("/orders"), expected).await;
    assert!(server.requests() >= 2, "each client has sent its request");
    server.is_left_alone().await;
}

#[tokio::test]
async fn a_refused_stream_has_no_effect() {
    assert_http2_script(FREE, |mut peer, stream| async move {
        let mut next = Some(stream);
        while let Some(stream) = next {
            peer.rst_stream(stream, REFUSED_STREAM).await;
            next = peer.http2_request().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_stream_reset_for_any_other_reason_has_an_unknown_effect() {
    for reason in [NO_ERROR, INTERNAL_ERROR, ENHANCE_YOUR_CALM] {
        assert_http2_script(UNKNOWN, move |mut peer, stream| async move {
            peer.rst_stream(stream, reason).await;
            peer.closed().await;
        })
        .await;
    }
}

#[tokio::test]
async fn a_graceful_goaway_below_the_request_has_no_effect() {
    assert_http2_script(FREE, |mut peer, stream| async move {
        peer.go_away(stream - 1, NO_ERROR).await;
        peer.closed().await;
    })
    .await;
}

#[tokio::test]
async fn a_graceful_goaway_above_the_request_says_nothing_of_it() {
    assert_http2_script(UNKNOWN, |mut peer, stream| async move {
        peer.go_away(stream, NO_ERROR).await;
    })
    .await;
    assert_http2_script(UNKNOWN, |mut peer, stream| async move {
        peer.go_away(stream, NO_ERROR).await;
        peer.reset();
    })
    .await;
}

#[tokio::test]
async fn a_goaway_with_an_error_has_an_unknown_effect() {
    for last_stream in [0, 1] {
        assert_http2_script(UNKNOWN, move |mut peer, _| async move {
            peer.go_away(last_stream, ENHANCE_YOUR_CALM).await;
        })
        .await;
    }
}

#[tokio::test]
async fn of_two_requests_on_a_connection_only_the_one_above_the_goaway_has_no_effect() {
    let server = Server::raw(|mut peer| async move {
        if peer.http2_preface().await.is_none() {
            return;
        }
        let (first, second) = (peer.http2_request().await, peer.http2_request().await);
        assert_eq!((first, second), (Some(1), Some(3)));
        peer.go_away(1, NO_ERROR).await;
    })
    .await;
    let client = hyper_client(Version::Http2);
    let first = client.request(post(&server.url("/1")));
    let second = async {
        crate::support::http::eventually("the first request is sent", || server.requests() == 1).await;
        client.request(post(&server.url("/2"))).await
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!((judge(first), judge(second)), (UNKNOWN, FREE));
    drop(client);
    server.is_left_alone().await;
}

#[tokio::test]
async fn an_http2_connection_that_breaks_has_an_unknown_effect() {
    assert_http2_script(UNKNOWN, |peer, _| async move { drop(peer) }).await;
    assert_http2_script(UNKNOWN, |peer, _| async move { peer.reset() }).await;
}
