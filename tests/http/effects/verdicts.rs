//! The results of both clients are judged by the table.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use windbreak::http::{Http, HttpResponse};
use windbreak::rules::Classify;
use windbreak::{Effect, Error, Failure, Verdict};

use crate::support::http::{Version, direct_client, hyper_client};

pub(super) const NONE: Verdict = Verdict::Failure(Failure::new(Effect::NotApplied));
/// The server did not even begin with it.
pub(super) const FREE: Verdict = Verdict::Failure(Failure::new(Effect::NotApplied).free());
pub(super) const UNKNOWN: Verdict = Verdict::Failure(Failure::new(Effect::Unknown));

pub(super) const SEVEN: Option<Duration> = Some(Duration::from_secs(7));
pub(super) const RETRY_AFTER: (&str, &str) = ("retry-after", "7");

/// By the table. `Http` itself says the same of hyper; of reqwest, which may have followed redirects, it says the same but
/// for the effect, which is always unknown.
pub(super) fn judge<T: HttpResponse, E: std::error::Error + 'static>(result: Result<T, E>) -> Verdict {
    let (table, result) = (Http::builder().without_redirects(), result.map_err(Error::Service));
    let verdict = table.classify(result.as_ref());
    let unsure = Http.classify(result.as_ref());
    assert_eq!(without_effect(unsure), without_effect(verdict));
    let expected = effect(verdict).map(|effect| if T::may_be_redirected() { Effect::Unknown } else { effect });
    assert_eq!(effect(unsure), expected);
    assert_eq!(table.error_type(result.as_ref()), Http.error_type(result.as_ref()));
    verdict
}

/// All that is in a verdict besides the effect.
pub(super) const fn without_effect(verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Failure(mut failure) => {
            failure.effect = Effect::Unknown;
            Verdict::Failure(failure)
        }
        Verdict::Throttled { retry_after, .. } => Verdict::throttled(retry_after),
        verdict => verdict,
    }
}

pub(super) const fn effect(verdict: Verdict) -> Option<Effect> {
    match verdict {
        Verdict::Failure(failure) => Some(failure.effect),
        Verdict::Throttled { effect, .. } => Some(effect),
        _ => None,
    }
}

pub(super) fn post(url: &str) -> Request<Full<Bytes>> {
    Request::post(url).body(Full::from("order")).expect("the test has a good URL")
}

/// What a POST to this URL is taken for with each client, each with connections of its own.
pub(super) async fn verdicts(version: Version, url: &str) -> [(&'static str, Verdict); 2] {
    let hyper = judge(hyper_client(version).request(post(url)).await);
    let reqwest = judge(direct_client(version).post(url).body("order").send().await);
    [("hyper", hyper), ("reqwest", reqwest)]
}

pub(super) async fn assert_verdicts(version: Version, url: &str, expected: Verdict) {
    for (client, verdict) in verdicts(version, url).await {
        assert_eq!(verdict, expected, "{client}, {version:?}, {url}");
    }
}
