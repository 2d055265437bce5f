//! An error of the request body comes from behind it, and says nothing of the server.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Request;
use hyper::body::{Body, Frame};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::sync::Semaphore;
use windbreak::Verdict;

use super::verdicts::{judge, post};
use crate::support::http::{Server, Version, dead_address, direct_client, hyper_client};

/// A request body that sends a part, and fails with an error of somebody else's once the server has the head.
struct Failing<E> {
    part: Option<&'static str>,
    error: Option<E>,
    head_is_read: Pin<Box<dyn Future<Output = ()> + Send + Sync>>,
}

impl<E> Failing<E> {
    fn with(error: E, heads: &Arc<Semaphore>) -> Self {
        let heads = Arc::clone(heads);
        let head_is_read = Box::pin(async move { heads.acquire().await.expect("it is never closed").forget() });
        Self { part: Some("half"), error: Some(error), head_is_read }
    }
}

impl<E: Unpin> Body for Failing<E> {
    type Data = Bytes;
    type Error = E;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, E>>> {
        if let Some(part) = self.part.take() {
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(part.as_bytes())))));
        }
        ready!(self.head_is_read.as_mut().poll(cx));
        Poll::Ready(self.error.take().map(Err))
    }
}

#[tokio::test]
async fn what_failed_behind_the_request_body_says_nothing_of_the_server() {
    let heads = Arc::new(Semaphore::new(0));
    let read = Arc::clone(&heads);
    let server = Server::raw(move |mut peer| {
        let read = Arc::clone(&read);
        async move {
            peer.request().await;
            read.add_permits(1);
            peer.closed().await;
        }
    })
    .await;
    // As when the body comes from another server, which is down.
    let refused = || std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
    let unreached = hyper_client(Version::Http1)
        .request(post(&format!("http://{}/", dead_address())))
        .await
        .expect_err("nobody listens there");

    let url = server.url("/upload");
    let client = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::post(&url).body(Failing::with(refused(), &heads)).unwrap();
    assert_eq!(judge(client.request(request).await), Verdict::Ignored);

    let client = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::post(&url).body(Failing::with(unreached, &heads)).unwrap();
    assert_eq!(judge(client.request(request).await), Verdict::Ignored);

    let body = reqwest::Body::wrap(Failing::with(refused(), &heads));
    assert_eq!(judge(direct_client(Version::Http1).post(&url).body(body).send().await), Verdict::Ignored);
    assert_eq!(server.requests(), 3, "each time the server had the head");
    server.is_left_alone().await;
}

#[tokio::test]
async fn a_stream_that_the_client_itself_resets_as_refused_was_not_refused_by_the_server() {
    let heads = Arc::new(Semaphore::new(0));
    let read = Arc::clone(&heads);
    let server = Server::raw(move |mut peer| {
        let read = Arc::clone(&read);
        async move {
            if peer.http2_preface().await.is_some() && peer.http2_head().await.is_some() {
                read.add_permits(1);
                peer.closed().await;
            }
        }
    })
    .await;
    // hyper resets the stream with the reason that it finds in the error of the body.
    let refused = || h2::Error::from(h2::Reason::REFUSED_STREAM);
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let request = Request::post(server.url("/")).body(Failing::with(refused(), &heads)).unwrap();
    assert_eq!(judge(client.request(request).await), Verdict::Ignored);

    let body = reqwest::Body::wrap(Failing::with(refused(), &heads));
    assert_eq!(judge(direct_client(Version::Http2).post(server.url("/")).body(body).send().await), Verdict::Ignored);
    assert_eq!(server.requests(), 2, "each time the server had the head");
    drop(client);
    server.is_left_alone().await;
}
