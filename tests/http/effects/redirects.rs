//! reqwest may have followed redirects, so what it says proves nothing unless it is known not to.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use windbreak::http::Http;
use windbreak::rules::Classify;
use windbreak::{Effect, Error, Failure, Verdict};

use super::verdicts::{NONE, RETRY_AFTER, SEVEN, UNKNOWN, effect, without_effect};
use crate::support::http::{Server, Version, dead_address, reqwest_client};

#[tokio::test]
async fn what_reqwest_says_proves_nothing_until_it_is_known_to_follow_no_redirects() {
    #[derive(Debug, thiserror::Error)]
    #[error("no order")]
    struct Mine(#[source] reqwest::Error);

    let server = Server::http(|request| async move {
        let status: u16 = request.uri().path()[1..].parse().expect("the test asks for a status");
        let response = http::Response::builder().status(status).header(RETRY_AFTER.0, RETRY_AFTER.1);
        response.body(Full::<Bytes>::default()).expect("the test has good headers")
    })
    .await;
    let later = |effect| Verdict::Failure(Failure::new(effect).with_retry_after(Duration::from_secs(7)));
    let table = Http::builder().without_redirects();
    for (status, expected) in
        [(421, later(Effect::NotApplied)), (425, later(Effect::NotApplied)), (429, Verdict::throttled(SEVEN))]
    {
        let client = reqwest_client(Version::Http1);
        let response = client.post(server.url(&format!("/{status}"))).send().await.unwrap();
        assert_eq!(effect(Http.response(&response)), Some(Effect::Unknown), "{status}");
        let result = Ok::<_, Error<reqwest::Error>>(response);
        assert_eq!(without_effect(Http.classify(result.as_ref())), without_effect(expected), "{status}");
        assert_eq!(effect(Http.classify(result.as_ref())), Some(Effect::Unknown), "{status}");
        assert_eq!(table.classify(result.as_ref()), expected, "{status}");
        assert_eq!(table.error_type(result.as_ref()), status.to_string());
    }

    let url = format!("http://{}/", dead_address());
    let refused = || async { reqwest_client(Version::Http1).post(&url).send().await.expect_err("nobody listens") };
    assert_eq!(Http.error(&refused().await), UNKNOWN);
    // By whichever type of the two it is known.
    let theirs = Error::Service(refused().await);
    let theirs = Err::<&http::Response<()>, _>(&theirs);
    assert_eq!((Http.classify(theirs), table.classify(theirs)), (UNKNOWN, NONE));
    let mine = Error::Service(Mine(refused().await));
    let mine = Err::<&http::Response<()>, _>(&mine);
    assert_eq!((Http.classify(mine), Http.error_type(mine)), (UNKNOWN, "connection_refused".into()));
    assert_eq!((table.classify(mine), table.error_type(mine)), (NONE, "connection_refused".into()));
    let bare = Error::Service(std::io::Error::from(std::io::ErrorKind::ConnectionRefused));
    let bare = Err::<&reqwest::Response, _>(&bare);
    assert_eq!((Http.classify(bare), Http.error_type(bare)), (UNKNOWN, "connection_refused".into()));
    assert_eq!((table.classify(bare), table.error_type(bare)), (NONE, "connection_refused".into()));
    server.is_left_alone().await;
}
