//! A rate limit that obeys the headers of an upstream.

use std::time::Duration;

use http::{Request, Response};
use tower::{Layer, Service, ServiceExt, service_fn};
use windbreak::http::Http;
use windbreak::rate_limit::{Rate, RateLimit};
use windbreak::{Error, RateLimitLayer};

use crate::support::{millis, secs};

type Answer = Result<Response<&'static str>, Error<std::io::Error>>;
type Says = (u16, &'static [(&'static str, &'static str)]);

/// A limit of ten a second, and a client whose upstream answers as the request says.
fn limited()
-> (RateLimit, impl Service<Request<Says>, Response = Response<&'static str>, Error = Error<std::io::Error>> + Clone) {
    let layer = RateLimitLayer::new(Rate::per_second(10).burst(10).expect("the test arranged it")).obey(Http);
    let client = layer.layer(service_fn(|request: Request<Says>| async move {
        let (status, headers) = request.into_body();
        let mut response = Response::builder().status(status);
        for &(name, value) in headers {
            response = response.header(name, value);
        }
        Answer::Ok(response.body("").expect("the test has good headers"))
    }));
    (layer.limit().clone(), client)
}

async fn after(says: Says) -> (u32, Option<Duration>) {
    let (limit, client) = limited();
    client.oneshot(Request::new(says)).await.expect("the test arranged it");
    let available = limit.available();
    (available, limit.try_acquire(available + 1).expect_err("the test arranged it").retry_after())
}

#[tokio::test(start_paused = true)]
async fn a_429_or_503_with_retry_after_pauses_everybody_for_a_minute_at_most() {
    assert_eq!(after((429, &[("retry-after", "7")])).await, (0, Some(secs(7))));
    assert_eq!(after((503, &[("retry-after", "7")])).await, (0, Some(secs(7))));
    assert_eq!(after((429, &[("retry-after", "4000000000")])).await, (0, Some(secs(60))));
    // One that is about the request alone does not.
    assert_eq!(after((202, &[("retry-after", "7")])).await, (9, Some(millis(100))));
}

#[tokio::test(start_paused = true)]
async fn a_quota_that_is_used_up_pauses_until_it_is_whole_again() {
    assert_eq!(after((200, &[("ratelimit", r#""default";r=0;t=5"#)])).await, (0, Some(secs(5))));
    assert_eq!(after((200, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "5")])).await, (0, Some(secs(5))));
}

#[tokio::test(start_paused = true)]
async fn what_is_left_of_a_quota_lowers_what_is_available_and_never_raises_it() {
    assert_eq!(after((200, &[("ratelimit", r#""default";r=3;t=5"#)])).await, (3, Some(millis(100))));
    assert_eq!(after((429, &[("ratelimit", r#""default";r=0"#)])).await, (0, Some(millis(100))));
    assert_eq!(after((200, &[("ratelimit", r#""default";r=500;t=5"#)])).await, (9, Some(millis(100))));
}

#[tokio::test(start_paused = true)]
async fn headers_that_make_no_sense_change_nothing() {
    let senseless: [Says; 3] = [
        (200, &[("ratelimit", r#""default";r=-1;t=5"#)]),
        (429, &[("retry-after", "soon")]),
        (200, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-remaining", "5"), ("x-ratelimit-reset", "5")]),
    ];
    for says in senseless {
        assert_eq!(after(says).await, (9, Some(millis(100))), "{says:?}");
    }
}
