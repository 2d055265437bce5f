//! Each status is judged as the table says, with `Retry-After` and without.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use windbreak::{Effect, Failure, Verdict};

use super::verdicts::{NONE, RETRY_AFTER, SEVEN, UNKNOWN, assert_verdicts};
use crate::support::http::{Server, Version};

const UNKNOWN_FOR_GOOD: Verdict = Verdict::Failure(Failure::new(Effect::Unknown).permanent());

#[tokio::test]
async fn every_status_is_judged_as_the_table_says() {
    let later = |effect| Verdict::Failure(Failure::new(effect).with_retry_after(Duration::from_secs(7)));
    for (status, headers, expected) in [
        (200, &[][..], Verdict::Success),
        (204, &[], Verdict::Success),
        (304, &[], Verdict::Success),
        (400, &[], Verdict::Declined),
        (404, &[], Verdict::Declined),
        (404, &[RETRY_AFTER], Verdict::Declined),
        (408, &[], UNKNOWN),
        (409, &[], Verdict::in_progress(None)),
        (409, &[RETRY_AFTER], Verdict::in_progress(SEVEN)),
        (421, &[], NONE),
        (422, &[], Verdict::Declined),
        (425, &[], NONE),
        (421, &[RETRY_AFTER], later(Effect::NotApplied)),
        (429, &[], Verdict::throttled(None)),
        (429, &[RETRY_AFTER], Verdict::throttled(SEVEN)),
        (429, &[("retry-after-ms", "7000")], Verdict::throttled(SEVEN)),
        (500, &[], UNKNOWN),
        (500, &[RETRY_AFTER], later(Effect::Unknown)),
        (501, &[], UNKNOWN_FOR_GOOD),
        (502, &[], UNKNOWN),
        (503, &[], UNKNOWN),
        (503, &[("retry-after", "soon")], UNKNOWN),
        (503, &[RETRY_AFTER], later(Effect::Unknown)),
        (504, &[], UNKNOWN),
        (504, &[RETRY_AFTER], later(Effect::Unknown)),
        (505, &[], UNKNOWN_FOR_GOOD),
        (511, &[], UNKNOWN_FOR_GOOD),
    ] {
        let server = Server::http(move |_| async move {
            let mut response = http::Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(*name, *value);
            }
            response.body(Full::<Bytes>::default()).expect("the test has good headers")
        })
        .await;
        for version in [Version::Http1, Version::Http2] {
            let url = server.url(&format!("/{status}/{}", headers.len()));
            assert_verdicts(version, &url, expected).await;
        }
        server.is_left_alone().await;
    }
}
