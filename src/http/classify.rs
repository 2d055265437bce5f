use std::borrow::Cow;
use std::error::Error as StdError;

use http::{HeaderMap, StatusCode};

use super::effect::{CauseKind, cause_of, may_be_redirected};
use super::message::HttpResponse;
use super::retry_after::retry_after;
use super::rules::Http;
use super::rules::HttpRules;
use crate::error::{Error, Rejectable, verdict_of_rejection};
use crate::rules::{Classify, Effect, Failure, Verdict};

/// Boxed error, as tower has it.
type BoxError = Box<dyn StdError + Send + Sync>;

impl Http {
    /// What a response says of the server. Of use in a classifier of your own.
    #[must_use]
    pub fn response<T: HttpResponse>(self, response: &T) -> Verdict {
        of_response(response.status(), response.headers(), T::may_be_redirected)
    }

    /// What the error of a client says of the server. Of use in a classifier of your own.
    #[must_use]
    pub fn error(self, error: &(dyn StdError + 'static)) -> Verdict {
        of_error(error, || may_be_redirected(error))
    }
}

// Below, `redirects` says whether the client may have followed some: then it was the last of several requests that
// failed, and nothing is known of the first. It is asked only where that matters.

fn of_response(status: StatusCode, headers: &HeaderMap, redirects: impl FnOnce() -> bool) -> Verdict {
    // The server's own word that it did not act, where the response is to the request that was sent.
    let not_applied = || if redirects() { Effect::Unknown } else { Effect::NotApplied };
    match status {
        StatusCode::TOO_MANY_REQUESTS => {
            Verdict::Throttled { effect: not_applied(), retry_after: retry_after(headers) }
        }
        StatusCode::MISDIRECTED_REQUEST | StatusCode::TOO_EARLY => failure(not_applied(), headers),
        StatusCode::CONFLICT => Verdict::in_progress(retry_after(headers)),
        StatusCode::NOT_IMPLEMENTED
        | StatusCode::HTTP_VERSION_NOT_SUPPORTED
        | StatusCode::NETWORK_AUTHENTICATION_REQUIRED => Verdict::Failure(Failure::new(Effect::Unknown).permanent()),
        StatusCode::REQUEST_TIMEOUT => failure(Effect::Unknown, headers),
        _ if status.is_server_error() => failure(Effect::Unknown, headers),
        _ if status.is_client_error() => Verdict::Declined,
        _ => Verdict::Success,
    }
}

/// Whether the status alone says that all is well, as [`of_response`] would: the one question of a healthy response.
#[inline]
fn is_well(status: StatusCode) -> bool {
    !(status.is_client_error() || status.is_server_error())
}

fn failure(effect: Effect, headers: &HeaderMap) -> Verdict {
    let mut failure = Failure::new(effect);
    failure.retry_after = retry_after(headers);
    Verdict::Failure(failure)
}

fn of_error(error: &(dyn StdError + 'static), redirects: impl FnOnce() -> bool) -> Verdict {
    let cause = cause_of(error);
    if cause.kind == CauseKind::Caller {
        return Verdict::Ignored;
    }
    let mut failure = Failure::new(if redirects() { Effect::Unknown } else { cause.effect });
    failure.permanent = cause.permanent;
    failure.free = cause.kind == CauseKind::NotProcessed;
    Verdict::Failure(failure)
}

#[inline(never)]
fn classify<T, E>(result: Result<&T, &E>, redirects: impl FnOnce() -> bool) -> Verdict
where
    T: HttpResponse,
    E: HttpError,
{
    match result {
        Ok(response) => with_earlier(response, of_response(response.status(), response.headers(), redirects)),
        Err(error) => verdict_of_rejection(error)
            .or_else(|| error.cause().map(|cause| of_error(cause, redirects)))
            .unwrap_or(Verdict::UNKNOWN),
    }
}

/// An attempt before the one that this response is to may have taken effect: then the request may have, whatever the last
/// attempt did.
fn with_earlier<T: HttpResponse>(response: &T, verdict: Verdict) -> Verdict {
    let may_have = || response.attempts().is_some_and(|attempts| attempts.effect() == Effect::Unknown);
    match verdict {
        Verdict::Failure(failure) if failure.effect == Effect::NotApplied && may_have() => {
            Verdict::Failure(Failure { effect: Effect::Unknown, ..failure })
        }
        Verdict::Throttled { effect: Effect::NotApplied, retry_after } if may_have() => {
            Verdict::Throttled { effect: Effect::Unknown, retry_after }
        }
        verdict => verdict,
    }
}

fn error_type<T, E>(result: Result<&T, &E>) -> Cow<'static, str>
where
    T: HttpResponse,
    E: HttpError,
{
    match result {
        Ok(response) => response.status().as_str().to_owned().into(),
        Err(error) => match (error.rejection(), error.cause()) {
            (Some(rejection), _) => rejection.as_str().into(),
            (None, Some(cause)) => cause_of(cause).name().into(),
            (None, None) => "_OTHER".into(),
        },
    }
}

/// Whether the client that this result is from follows redirects, as far as its types tell.
fn redirects<T, E>(result: Result<&T, &E>) -> bool
where
    T: HttpResponse,
    E: HttpError,
{
    T::may_be_redirected() || result.is_err_and(|error| error.cause().is_some_and(may_be_redirected))
}

impl<T, E> Classify<T, E> for Http
where
    T: HttpResponse,
    E: HttpError,
{
    #[inline]
    fn classify(&self, result: Result<&T, &E>) -> Verdict {
        match result {
            Ok(response) if is_well(response.status()) => Verdict::Success,
            _ => classify(result, || redirects(result)),
        }
    }

    /// The status code, the name of a rejection, or that of a client's [error](super#errors).
    fn error_type(&self, result: Result<&T, &E>) -> Cow<'static, str> {
        error_type(result)
    }
}

impl<T, E> Classify<T, E> for HttpRules
where
    T: HttpResponse,
    E: HttpError,
{
    fn classify(&self, result: Result<&T, &E>) -> Verdict {
        let redirects = || !self.without_redirects && redirects(result);
        let Ok(response) = result else { return classify(result, redirects) };
        let (status, headers) = (response.status(), response.headers());
        if let Some(verdict) = self.classify_with.as_ref().and_then(|classify| classify(status, headers)) {
            return with_earlier(response, verdict);
        }
        if self.unprocessed_statuses.contains(&status) && !redirects() {
            return with_earlier(response, failure(Effect::NotApplied, headers));
        }
        if self.permanent_statuses.contains(&status) {
            return Verdict::Failure(Failure::new(Effect::Unknown).permanent());
        }
        with_earlier(response, of_response(status, headers, redirects))
    }

    /// The status code, the name of a rejection, or that of a client's [error](super#errors).
    fn error_type(&self, result: Result<&T, &E>) -> Cow<'static, str> {
        error_type(result)
    }
}

/// An error in which the cause of an HTTP client can be found: [`Error<E>`], a boxed error, or your own type.
///
/// [`Http`] judges the results of every service whose error implements it. For an error type of your own, say where the
/// client's error is.
#[diagnostic::on_unimplemented(
    message = "`Http` cannot look into `{Self}`",
    label = "the error of this service is `{Self}`",
    note = "write `.layer(windbreak::ServiceErrorLayer)` or `.map_err(windbreak::Error::Service)` directly above the client",
    note = "a boxed error needs neither: the layers go above it as it is",
    note = "or implement `windbreak::http::HttpError` for an error type of your own"
)]
pub trait HttpError: Rejectable {
    /// The error of the client, if that is what this error is.
    fn cause(&self) -> Option<&(dyn StdError + 'static)>;
}

impl<E> HttpError for Error<E>
where
    E: StdError + 'static,
{
    fn cause(&self) -> Option<&(dyn StdError + 'static)> {
        self.service().map(|error| error as _)
    }
}

impl HttpError for BoxError {
    fn cause(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&**self)
    }
}
