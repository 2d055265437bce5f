//! Transfers that make progress live, and those that stall end.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame};
use tokio::time::{Instant, Sleep, sleep};
use tower::{ServiceBuilder, ServiceExt as _, service_fn};
use windbreak::http::progress_timeout::ProgressTimeoutLayer;
use windbreak::{Error, Rejection};

use crate::support::http::{Server, Version, direct_client};

const LIMIT: Duration = Duration::from_secs(1);

type StackError = Error<Infallible>;

/// A body whose frames each take a time of their own.
struct Slow {
    frames: VecDeque<Duration>,
    sleep: Option<Pin<Box<Sleep>>>,
}

fn slow(millis: &[u64]) -> Slow {
    Slow { frames: millis.iter().map(|&millis| Duration::from_millis(millis)).collect(), sleep: None }
}

impl Body for Slow {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(&next) = self.frames.front() else { return Poll::Ready(None) };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep(next)));
        std::task::ready!(sleep.as_mut().poll(cx));
        self.sleep = None;
        self.frames.pop_front();
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"x")))))
    }
}

/// Uploads `body` over a connection that takes so long to send each frame. Returns the result and how long it took.
async fn upload(body: Slow, connection: &'static [u64]) -> (Result<(), StackError>, Duration) {
    let client = ServiceBuilder::new().layer(ProgressTimeoutLayer::new().write(LIMIT)).service(service_fn(
        move |request: Request<_>| async move {
            let mut body = request.into_body();
            for &millis in connection {
                sleep(Duration::from_millis(millis)).await;
                if BodyExt::frame(&mut body).await.is_none() {
                    break;
                }
            }
            // The server thinks about it: that is not the transfer.
            sleep(Duration::from_secs(60)).await;
            Ok::<_, StackError>(Response::new(Full::<Bytes>::default()))
        },
    ));
    let start = Instant::now();
    let result = client.oneshot(Request::new(body)).await.map(|_| ());
    (result, start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_makes_progress_lives_however_long_it_takes() {
    let (result, took) = upload(slow(&[0; 9]), &[900; 10]).await;
    assert!(result.is_ok());
    assert_eq!(took, Duration::from_secs(69));
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_stalls_ends_after_the_limit() {
    for (connection, ends) in [(&[100, 100, 60_000][..], 1_200), (&[1_001], 1_000)] {
        let (result, took) = upload(slow(&[0; 9]), connection).await;
        assert_eq!(result.unwrap_err().rejection(), Some(&Rejection::timeout(LIMIT)));
        assert_eq!(took, Duration::from_millis(ends));
    }
}

#[tokio::test(start_paused = true)]
async fn the_time_that_the_callers_own_body_takes_is_not_the_connections() {
    let (result, _) = upload(slow(&[100, 5_000, 100]), &[0; 4]).await;
    assert!(result.is_ok());
    // But what stalls after that is.
    let (result, took) = upload(slow(&[0, 5_300, 0, 0]), &[0, 0, 60_000, 0]).await;
    assert_eq!(result.unwrap_err().rejection(), Some(&Rejection::timeout(LIMIT)));
    assert_eq!(took, Duration::from_millis(6_300));
}

#[tokio::test(start_paused = true)]
async fn a_request_without_a_body_has_nothing_to_upload() {
    let client = ServiceBuilder::new().layer(ProgressTimeoutLayer::new().write(LIMIT)).service(service_fn(
        |_: Request<_>| async {
            sleep(Duration::from_secs(60)).await;
            Ok::<_, StackError>(Response::new(Full::<Bytes>::default()))
        },
    ));
    assert!(client.oneshot(Request::new(Full::<Bytes>::default())).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_limit_may_be_as_long_as_it_likes() {
    for limit in [Duration::MAX, Duration::from_secs(u64::MAX / 2)] {
        let layer = ProgressTimeoutLayer::new().write(limit).read(limit);
        let client = ServiceBuilder::new().layer(layer).service(service_fn(|request: Request<_>| async move {
            let _ = BodyExt::collect(request.into_body()).await;
            Ok::<_, StackError>(Response::new(slow(&[500, 500])))
        }));
        let response = client.oneshot(Request::new(slow(&[500, 2_000]))).await.unwrap();
        assert!(response.into_body().collect().await.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn with_a_limit_of_zero_it_still_lets_the_callers_own_body_take_its_time() {
    let client = ServiceBuilder::new().layer(ProgressTimeoutLayer::new().write(Duration::ZERO)).service(service_fn(
        |request: Request<_>| async move {
            let mut body = request.into_body();
            let _ = BodyExt::frame(&mut body).await;
            Ok::<_, StackError>(Response::new(Full::<Bytes>::default()))
        },
    ));
    let (mut request, mut polls) = (Box::pin(client.oneshot(Request::new(slow(&[100])))), 0);
    let response = std::future::poll_fn(|cx| {
        polls += 1;
        assert!(polls < 1_000, "it asks again and again");
        request.as_mut().poll(cx)
    });
    assert!(response.await.is_ok());
}

/// Downloads a body, which is read with pauses. Returns how many frames came and the error, if there is one.
async fn download(body: fn() -> Slow, pause: Duration) -> (usize, Option<Rejection>) {
    let client = ServiceBuilder::new()
        .layer(ProgressTimeoutLayer::new().read(LIMIT))
        .service(service_fn(move |_: Request<_>| async move { Ok::<_, StackError>(Response::new(body())) }));
    let mut body =
        client.oneshot(Request::new(Full::<Bytes>::default())).await.expect("the test arranged it").into_body();
    let mut frames = 0;
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(_) => frames += 1,
            Err(error) => return (frames, Rejection::find_in(&*error).cloned()),
        }
        sleep(pause).await;
    }
    (frames, None)
}

#[tokio::test(start_paused = true)]
async fn a_download_that_makes_progress_lives_and_one_that_stalls_ends() {
    assert_eq!(download(|| slow(&[900; 20]), Duration::ZERO).await, (20, None));
    let stalled = Some(Rejection::timeout(LIMIT));
    assert_eq!(download(|| slow(&[900, 900, 1_001]), Duration::ZERO).await, (2, stalled));
}

#[tokio::test(start_paused = true)]
async fn the_time_in_which_the_caller_does_not_read_is_not_the_servers() {
    assert_eq!(download(|| slow(&[900; 5]), Duration::from_secs(60)).await, (5, None));
}

/// More than the buffers between two sockets hold.
const LARGE: usize = 32 << 20;

/// Takes the head of a request, and nothing more.
async fn takes_no_body() -> Server {
    Server::raw(|peer| async move {
        peer.readable().await;
        sleep(Duration::from_secs(60)).await;
    })
    .await
}

#[tokio::test]
async fn a_server_that_takes_no_more_of_an_upload_ends_it() {
    let limit = Duration::from_millis(500);
    let layer = ProgressTimeoutLayer::new().write(limit);

    let server = takes_no_body().await;
    let client = ServiceBuilder::new().layer(layer).map_err(Error::Service).service(direct_client(Version::Http1));
    // In frames, as a file is sent: a body of one frame is handed to the connection at once.
    let body = reqwest::Body::wrap(frames(LARGE));
    let upload = direct_client(Version::Http1).post(server.url("/")).body(body).build().unwrap();
    let start = Instant::now();
    let error = client.oneshot(upload).await.unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    assert!(start.elapsed() >= limit && start.elapsed() < Duration::from_secs(10));
}

/// A body of frames of 64 KiB.
fn frames(length: usize) -> impl Body<Data = Bytes, Error = Infallible> + Send + Sync + 'static {
    struct Frames(usize);

    impl Body for Frames {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            const FRAME: usize = 64 << 10;
            if self.0 < FRAME {
                return Poll::Ready(None);
            }
            self.0 -= FRAME;
            Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![0; FRAME])))))
        }
    }

    Frames(length)
}

#[tokio::test]
async fn an_upload_of_many_frames_arrives_whole() {
    let server = Server::http(|request| async move {
        let length = request.into_body().collect().await.unwrap().to_bytes().len();
        Response::new(Full::<Bytes>::from(length.to_string()))
    })
    .await;
    let layer = ProgressTimeoutLayer::new().write(Duration::from_secs(5)).read(Duration::from_secs(5));
    let client = ServiceBuilder::new().layer(layer).map_err(Error::Service).service(direct_client(Version::Http1));
    let upload = direct_client(Version::Http1).post(server.url("/")).body(reqwest::Body::wrap(frames(1 << 20)));
    let response = client.oneshot(upload.build().unwrap()).await.unwrap();
    assert_eq!(response.text().await.unwrap(), (1 << 20).to_string());
}
