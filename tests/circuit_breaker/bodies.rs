//! Until the body ends: what counts once the head of the response is there.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use tokio::sync::mpsc;
use tower::{Layer, ServiceExt, service_fn};
use windbreak::http::Http;
use windbreak::until_body_end::GuardedBody;
use windbreak::{CircuitBreakerLayer, Error};

use super::*;

/// A body that is sent a frame at a time. It breaks off if its sender says so, and ends with it.
struct Sent(mpsc::UnboundedReceiver<Result<&'static str, io::Error>>);

type Sender = mpsc::UnboundedSender<Result<&'static str, io::Error>>;

impl Body for Sent {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.0.poll_recv(cx).map_ok(|frame| Frame::data(frame.into()))
    }
}

/// A good head. What is then sent stands in the body.
async fn head(circuit: &Circuit) -> (Sender, Response<GuardedBody<Sent, Permit>>) {
    let (sender, frames) = mpsc::unbounded_channel();
    let mut response = Some(Response::new(Sent(frames)));
    let client =
        CircuitBreakerLayer::new(circuit.clone(), Http).until_body_end().layer(service_fn(move |_: Request<()>| {
            let response = response.take().expect("one call");
            async move { Ok::<_, Error<io::Error>>(response) }
        }));
    let response = client.oneshot(Request::new(())).await.expect("admitted");
    (sender, response)
}

#[tokio::test(start_paused = true)]
async fn a_probe_is_timed_to_its_head() {
    let circuit = two_strikes().probe_timeout(3 * SECOND).build().unwrap();
    trip_and_wait(&circuit).await;
    let (_sender, response) = head(&circuit).await;
    advance(3 * SECOND).await;
    assert_eq!(rejected(&circuit), None, "its body can still break off");
    advance(NANOSECOND).await;
    succeed(&circuit);
    assert_eq!(circuit.state(), State::Closed, "a good head in time is a success");
    drop(response);
    assert_eq!(circuit.snapshot().tally, tally(1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_probe_whose_body_breaks_off_in_time_has_failed() {
    let circuit = two_strikes().build().unwrap();
    trip_and_wait(&circuit).await;
    let (sender, response) = head(&circuit).await;
    sender.send(Err(io::ErrorKind::ConnectionReset.into())).unwrap();
    assert!(response.into_body().collect().await.is_err());
    assert_eq!(circuit.state(), State::Open);
    assert_eq!(circuit.snapshot().cause.as_deref(), Some("body"));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_panics_is_a_failure() {
    struct Panics;

    impl Body for Panics {
        type Data = Bytes;
        type Error = io::Error;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
            panic!("a body that panics")
        }
    }

    let circuit = two_strikes().build().unwrap();
    let client = CircuitBreakerLayer::new(circuit.clone(), Http)
        .until_body_end()
        .layer(service_fn(|_: Request<()>| async { Ok::<_, Error<io::Error>>(Response::new(Panics)) }));
    let response = client.oneshot(Request::new(())).await.unwrap();
    let reads = tokio::spawn(async { response.into_body().collect().await.is_ok() });
    assert!(reads.await.unwrap_err().is_panic());
    assert_eq!(circuit.snapshot().tally, tally(1, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_the_caller_drops_is_a_success() {
    for builder in [two_strikes(), two_strikes().abandoned_after(SECOND)] {
        let circuit = builder.build().unwrap();
        let (_sender, response) = head(&circuit).await;
        advance(5 * SECOND).await;
        drop(response);
        assert_eq!(circuit.snapshot().tally, tally(1, 0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn time_in_which_the_caller_does_not_read_is_no_slowness() {
    for (upstream_takes, slow) in [(SECOND, 0), (SECOND + Duration::from_millis(2), 1)] {
        let circuit = two_strikes().slow_calls(SECOND, 1.0).build().unwrap();
        let (sender, response) = head(&circuit).await;
        let mut body = response.into_body();
        sender.send(Ok("one")).unwrap();
        sender.send(Ok("two")).unwrap();
        for _ in 0..2 {
            advance(5 * SECOND).await;
            body.frame().await.unwrap().unwrap();
        }
        let ends = async {
            advance(upstream_takes).await;
            drop(sender);
        };
        let (last, ()) = tokio::join!(body.frame(), ends);
        assert!(last.is_none());
        assert_eq!(circuit.snapshot().tally, tally(1, 0, slow));
    }
}

#[tokio::test(start_paused = true)]
async fn trailers_that_tell_of_a_failure_are_a_failure_where_they_are_judged() {
    use http::HeaderMap;
    use http_body_util::{Full, combinators::WithTrailers};
    use std::future::{Ready, ready};

    type Told = WithTrailers<Full<Bytes>, Ready<Option<Result<HeaderMap, std::convert::Infallible>>>>;

    fn told(status: &'static str) -> Told {
        let trailers =
            HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), status.parse().expect("a number"))]);
        Full::new(Bytes::from_static(b"reply")).with_trailers(ready(Some(Ok(trailers))))
    }

    fn judge(trailers: &HeaderMap) -> windbreak::Verdict {
        if trailers.get("grpc-status").is_some_and(|status| status == "14") {
            windbreak::Verdict::UNKNOWN
        } else {
            windbreak::Verdict::Success
        }
    }

    for (judged, status, failures) in [(true, "14", 1), (true, "0", 0), (false, "14", 0)] {
        let circuit = Circuit::builder("grpc").build().unwrap();
        let layer = CircuitBreakerLayer::new(circuit.clone(), Http).until_body_end();
        let layer = if judged { layer.judge_trailers(judge) } else { layer };
        let client = layer.layer(service_fn(move |_: Request<()>| async move {
            Ok::<_, Error<io::Error>>(Response::new(told(status)))
        }));
        let response = client.oneshot(Request::new(())).await.unwrap();
        assert_eq!(circuit.snapshot().tally.calls, 0, "not before the body has ended");
        response.into_body().collect().await.unwrap();
        let tally = circuit.snapshot().tally;
        assert_eq!((tally.calls, tally.failures), (1, failures), "{status}");
    }
}
