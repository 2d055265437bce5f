use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, StatusCode};

use super::Http;
use super::replay::IDEMPOTENCY_KEY;
use crate::classify::Verdict;

/// [`Http`] with rules of your own. Made by [`Http::builder`]; a classifier and a replay as it stands.
///
/// ```
/// use http::StatusCode;
/// use windbreak::classify::Classify;
/// use windbreak::http::Http;
/// use windbreak::{Error, Verdict};
///
/// let rules = Http::builder()
///     .retry_statuses([StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE])
///     .classify_with(|status, headers| {
///         (status == StatusCode::OK && headers.contains_key("x-degraded")).then_some(Verdict::Ignored)
///     });
///
/// let judge = |status: u16| {
///     let response = http::Response::builder().status(status).body(()).unwrap();
///     rules.classify(Ok::<_, &Error<std::io::Error>>(&response))
/// };
/// assert!(matches!(judge(502), Verdict::Failure(_)));
/// assert_eq!(judge(500), Verdict::Refused);
/// ```
#[derive(Clone)]
pub struct CustomHttp<F = fn(StatusCode, &HeaderMap) -> Option<Verdict>> {
    pub(super) without_redirects: bool,
    pub(super) retry_statuses: Option<Arc<[StatusCode]>>,
    pub(super) classify_with: F,
    pub(super) resend_header: Option<HeaderName>,
    pub(super) idempotency_header: HeaderName,
}

impl Http {
    /// The same rules, to be changed.
    #[must_use]
    pub fn builder() -> CustomHttp {
        CustomHttp {
            without_redirects: false,
            retry_statuses: None,
            classify_with: |_, _| None,
            resend_header: None,
            idempotency_header: IDEMPOTENCY_KEY,
        }
    }
}

impl<F> CustomHttp<F> {
    /// Says that the client follows no redirects, so that its answers and errors are those to the request it was given
    /// and may be believed: see [redirects](super#redirects). Only say so if it is true; of reqwest, if the client was
    /// built with `redirect(Policy::none())` and without a `retry` policy.
    #[must_use]
    pub fn without_redirects(mut self) -> Self {
        self.without_redirects = true;
        self
    }

    /// Takes these statuses for failures, and every other 4xx and 5xx for a refusal. Their effect stays as the table
    /// of [`Http`] has it.
    #[must_use]
    pub fn retry_statuses(mut self, statuses: impl IntoIterator<Item = StatusCode>) -> Self {
        self.retry_statuses = Some(statuses.into_iter().collect());
        self
    }

    /// Asks `classify` first; where it answers `None`, the other rules decide. Its verdicts stand as they are, whether
    /// there may have been redirects or not.
    #[must_use]
    pub fn classify_with<G>(self, classify: G) -> CustomHttp<G>
    where
        G: Fn(StatusCode, &HeaderMap) -> Option<Verdict>,
    {
        let Self { without_redirects, retry_statuses, resend_header, idempotency_header, .. } = self;
        CustomHttp { without_redirects, retry_statuses, classify_with: classify, resend_header, idempotency_header }
    }

    /// Takes a request that carries this header for one whose repeat the server recognises, instead of one that
    /// carries `Idempotency-Key`.
    #[must_use]
    pub fn idempotency_header(mut self, name: HeaderName) -> Self {
        self.idempotency_header = name;
        self
    }

    /// Sends the number of the attempts before it with each attempt after the first, in this header.
    #[must_use]
    pub fn resend_header(mut self, name: HeaderName) -> Self {
        self.resend_header = Some(name);
        self
    }
}

impl<F> fmt::Debug for CustomHttp<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustomHttp")
            .field("without_redirects", &self.without_redirects)
            .field("retry_statuses", &self.retry_statuses)
            .field("resend_header", &self.resend_header)
            .field("idempotency_header", &self.idempotency_header)
            .finish_non_exhaustive()
    }
}
