use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, StatusCode};

use super::drain::Drain;
use super::keys::IDEMPOTENCY_KEY;
use crate::rules::{Verdict, rules_setters};

type ClassifyWith = dyn Fn(StatusCode, &HeaderMap) -> Option<Verdict> + Send + Sync;

/// Knows what status codes, methods and the errors of HTTP clients mean.
///
/// It judges `http::Response` and `reqwest::Response`, and knows and copies `http::Request` and `reqwest::Request`. The
/// tables of [the module](super) say how. [`Http::builder`] changes the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Http;

/// [`Http`] with rules of your own. Made by [`Http::builder`]; it needs no `build()`.
///
/// ```
/// use http::StatusCode;
/// use windbreak::http::Http;
/// use windbreak::rules::Classify;
/// use windbreak::{Error, Verdict};
///
/// let rules = Http::builder()
///     .unprocessed_statuses([StatusCode::SERVICE_UNAVAILABLE])
///     .classify_with(|status, headers| {
///         (status == StatusCode::OK && headers.contains_key("x-degraded"))
///             .then_some(Verdict::Ignored)
///     });
///
/// let response = http::Response::builder().header("x-degraded", "yes").body(())?;
/// assert_eq!(
///     rules.classify(Ok::<_, &Error<std::io::Error>>(&response)),
///     Verdict::Ignored
/// );
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone)]
pub struct HttpRules {
    pub(super) without_redirects: bool,
    pub(super) unprocessed_statuses: Arc<[StatusCode]>,
    pub(super) permanent_statuses: Arc<[StatusCode]>,
    pub(super) classify_with: Option<Arc<ClassifyWith>>,
    pub(super) resend_header: Option<HeaderName>,
    pub(super) idempotency_header: HeaderName,
    pub(super) drain: Drain,
}

rules_setters!([] Http);
rules_setters!([] HttpRules);

impl Http {
    /// The same rules, to be changed.
    #[must_use]
    pub fn builder() -> HttpRules {
        HttpRules::from(Self)
    }
}

impl From<Http> for HttpRules {
    fn from(_: Http) -> Self {
        Self {
            without_redirects: false,
            unprocessed_statuses: Arc::new([]),
            permanent_statuses: Arc::new([]),
            classify_with: None,
            resend_header: None,
            idempotency_header: IDEMPOTENCY_KEY,
            drain: Drain::new(),
        }
    }
}

impl HttpRules {
    /// Says that the client follows no redirects, so that its responses and errors are those to the request that it was
    /// given and may be believed: see [redirects](super#redirects). Only say so if it is true; of reqwest, if the client
    /// was built with `redirect(Policy::none())` and `retry(never())`.
    #[must_use]
    pub fn without_redirects(mut self) -> Self {
        self.without_redirects = true;
        self
    }

    /// Says that the server sends these statuses only for requests on which it did not act, such as a 503 of a load
    /// shedder that stands in front of everything else. Their failures have no effect, so that a `POST` is sent again. Only
    /// say so if no proxy on the way sends the same status: many send a 503 also for a request on which the server acted.
    #[must_use]
    pub fn unprocessed_statuses(mut self, statuses: impl IntoIterator<Item = StatusCode>) -> Self {
        self.unprocessed_statuses = statuses.into_iter().collect();
        self
    }

    /// Says that a further attempt would get the same status again: these count against the circuit, and are never
    /// retried. 501, 505 and 511 always are; think of 504, where the gateway has waited long enough.
    #[must_use]
    pub fn permanent_statuses(mut self, statuses: impl IntoIterator<Item = StatusCode>) -> Self {
        self.permanent_statuses = statuses.into_iter().collect();
        self
    }

    /// Asks `classify` first; where it returns `None`, the other rules decide. Its verdicts stand as they are, whether
    /// there may have been redirects or not. One without effect is that of the last attempt: if an earlier one may have had
    /// an effect, so may the request.
    #[must_use]
    pub fn classify_with<F>(mut self, classify: F) -> Self
    where
        F: Fn(StatusCode, &HeaderMap) -> Option<Verdict> + Send + Sync + 'static,
    {
        self.classify_with = Some(Arc::new(classify));
        self
    }

    /// Treats a request that carries this header as one whose repeat the server recognises, instead of one that carries
    /// `Idempotency-Key`.
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

    /// Sets how much of a response that will be retried is read, so that its connection can be used again.
    #[must_use]
    pub fn drain(mut self, drain: Drain) -> Self {
        self.drain = drain;
        self
    }
}

impl fmt::Debug for HttpRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRules")
            .field("without_redirects", &self.without_redirects)
            .field("unprocessed_statuses", &self.unprocessed_statuses)
            .field("permanent_statuses", &self.permanent_statuses)
            .field("resend_header", &self.resend_header)
            .field("idempotency_header", &self.idempotency_header)
            .field("drain", &self.drain)
            .finish_non_exhaustive()
    }
}
