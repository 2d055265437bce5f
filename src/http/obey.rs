use super::Http;
use super::message::HttpResponse;
use super::rate_limit_headers::upstream_limit;
use super::rules::HttpRules;
use crate::rate_limit::{Obey, UpstreamLimit};

/// | header | what it does |
/// |---|---|
/// | `Retry-After` of a 429 or 503 | pauses |
/// | `RateLimit`, `RateLimit-Remaining`, `X-RateLimit-Remaining` | lowers what is available; at zero, pauses until the reset |
///
/// A value that is malformed or contradicts another is ignored. No response raises what is available.
impl<T, E> Obey<T, E> for Http
where
    T: HttpResponse,
{
    fn upstream_limit(&self, result: Result<&T, &E>) -> UpstreamLimit {
        result
            .map_or_else(|_| UpstreamLimit::default(), |response| upstream_limit(response.status(), response.headers()))
    }
}

/// As [`Http`] does.
impl<T, E> Obey<T, E> for HttpRules
where
    T: HttpResponse,
{
    fn upstream_limit(&self, result: Result<&T, &E>) -> UpstreamLimit {
        Http.upstream_limit(result)
    }
}
