//! A pooled connection breaks when it is used again: only what was certainly not sent has no effect.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use super::verdicts::{FREE, UNKNOWN, judge, post};
use crate::support::http::{Peer, Server, Version, answer, direct_client, header, hyper_client};

/// Answers one request on each connection, and then waits for the client to close.
async fn once(mut peer: Peer) {
    peer.request().await;
    peer.send(answer(200, &[], "ok")).await;
    peer.request().await;
}

#[tokio::test]
async fn a_pooled_connection_that_breaks_on_the_second_request_has_an_unknown_effect() {
    let server = Server::raw(once).await;
    let url = server.url("/");

    let client = hyper_client(Version::Http1);
    let first = client.request(post(&url)).await.unwrap();
    first.into_body().collect().await.unwrap();
    assert_eq!(judge(client.request(post(&url)).await), UNKNOWN);
    assert_eq!((server.connections(), server.requests()), (1, 2));
    drop(client);

    let client = direct_client(Version::Http1);
    client.post(&url).body("order").send().await.unwrap().bytes().await.unwrap();
    assert_eq!(judge(client.post(&url).body("order").send().await), UNKNOWN);
    assert_eq!((server.connections(), server.requests()), (2, 4));
    drop(client);
    server.is_left_alone().await;
}

#[tokio::test]
async fn what_is_said_to_have_no_effect_was_not_sent() {
    /// Closes half of it before the first request or after it, and reads what comes nevertheless.
    async fn script(mut peer: Peer, sent: Sent) {
        if peer.number % 2 == 0 {
            peer.half_close().await;
        }
        while let Some(head) = peer.request().await {
            sent.lock().expect("no thread panics").insert(header(&head, "x-id").expect("each has one").to_owned());
            peer.send(answer(200, &[], "")).await;
            peer.half_close().await;
        }
    }

    type Sent = Arc<Mutex<HashSet<String>>>;
    let sent = Sent::default();
    let noted = Arc::clone(&sent);
    let server = Server::raw(move |peer| script(peer, Arc::clone(&noted))).await;
    let (mut harmless, mut broken) = (0, 0);
    for trial in 0..200 {
        // Otherwise it sends the request again by itself, on a new connection.
        let client = Client::builder(TokioExecutor::new()).retry_canceled_requests(false).build_http();
        for number in 0..3 {
            let id = format!("{trial}-{number}");
            let mut request = post(&server.url("/"));
            request.headers_mut().insert("x-id", id.parse().unwrap());
            match client.request(request).await {
                Ok(response) => drop(response.into_body().collect().await),
                Err(error) => match judge::<http::Response<()>, _>(Err(error)) {
                    FREE => {
                        harmless += 1;
                        // Closed by the client, and read to its end by the server.
                        server.is_left_alone().await;
                        assert!(!sent.lock().unwrap().contains(&id), "{id} was sent");
                    }
                    verdict => {
                        broken += 1;
                        assert_eq!(verdict, UNKNOWN);
                    }
                },
            }
        }
    }
    assert!(harmless > 0, "{harmless} not sent, {broken} broken off");
    server.is_left_alone().await;
}
