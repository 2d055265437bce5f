use std::borrow::Cow;
use std::error::Error as StdError;

use http::{HeaderMap, StatusCode};

use super::effect::{effect_of, is_of_reqwest};
use super::retry_after::retry_after;
use super::{CustomHttp, Http, HttpResponse};
use crate::classify::{Classify, Effect, Failure, Verdict};
use crate::error::Error;

impl Http {
    /// What an answer says of the server. Of use in a classifier of your own.
    #[must_use]
    pub fn answer<T: HttpResponse>(self, response: &T) -> Verdict {
        of_answer(response.status(), response.headers(), T::FOLLOWS_REDIRECTS)
    }

    /// What the error of a client says of the server. Of use in a classifier of your own.
    #[must_use]
    pub fn error(self, error: &(dyn StdError + 'static)) -> Verdict {
        of_error(error, is_of_reqwest(error))
    }
}

// Below, `redirects` says whether the client may have followed some: then it was the last of several requests that
// failed, and nothing is known of the first.

fn of_answer(status: StatusCode, headers: &HeaderMap, redirects: bool) -> Verdict {
    let failed = status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT
                | StatusCode::MISDIRECTED_REQUEST
                | StatusCode::TOO_EARLY
                | StatusCode::TOO_MANY_REQUESTS
        );
    if failed {
        failure(status, headers, redirects)
    } else if status == StatusCode::CONFLICT {
        Verdict::InProgress { retry_after: retry_after(headers) }
    } else if status.is_client_error() {
        Verdict::Refused
    } else {
        Verdict::Success
    }
}

/// A failure, with what the status says of its effect and the headers of when to come back.
fn failure(status: StatusCode, headers: &HeaderMap, redirects: bool) -> Verdict {
    let retry_after = retry_after(headers);
    let effect = match status {
        _ if redirects => Effect::Unknown,
        // The server says that it did not act on the request.
        StatusCode::MISDIRECTED_REQUEST | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => Effect::None,
        // One that knows when to come back has turned the request away, not broken down over it.
        StatusCode::SERVICE_UNAVAILABLE if retry_after.is_some() => Effect::None,
        _ => Effect::Unknown,
    };
    Verdict::Failure(Failure { effect, retry_after })
}

fn of_error(error: &(dyn StdError + 'static), redirects: bool) -> Verdict {
    Verdict::Failure(Failure::new(effect_of(error, redirects)))
}

fn classify<T, E>(result: Result<&T, &Error<E>>, redirects: bool) -> Verdict
where
    T: HttpResponse,
    E: StdError + 'static,
{
    match result {
        Ok(response) => of_answer(response.status(), response.headers(), redirects),
        Err(Error::Rejected(rejection)) => rejection.into(),
        Err(Error::Service(error)) => of_error(error, redirects),
    }
}

fn error_type<T, E>(result: Result<&T, &Error<E>>, redirects: bool) -> Cow<'static, str>
where
    T: HttpResponse,
    E: StdError + 'static,
{
    match result {
        Ok(response) => response.status().as_str().to_owned().into(),
        Err(Error::Rejected(rejection)) => rejection.as_str().into(),
        Err(Error::Service(error)) if effect_of(error, redirects) == Effect::None => "not_processed".into(),
        Err(Error::Service(_)) => "_OTHER".into(),
    }
}

/// Whether the client that this result is from follows redirects, as far as its types tell.
fn redirects<T, E>(result: Result<&T, &Error<E>>) -> bool
where
    T: HttpResponse,
    E: StdError + 'static,
{
    T::FOLLOWS_REDIRECTS || matches!(result, Err(Error::Service(error)) if is_of_reqwest(error))
}

impl<T, E> Classify<T, Error<E>> for Http
where
    T: HttpResponse,
    E: StdError + 'static,
{
    fn classify(&self, result: Result<&T, &Error<E>>) -> Verdict {
        classify(result, redirects(result))
    }

    /// The status code; the name of a rejection; `not_processed` where the server certainly did nothing.
    fn error_type(&self, result: Result<&T, &Error<E>>) -> Cow<'static, str> {
        error_type(result, redirects(result))
    }
}

impl<T, E, F> Classify<T, Error<E>> for CustomHttp<F>
where
    T: HttpResponse,
    E: StdError + 'static,
    F: Fn(StatusCode, &HeaderMap) -> Option<Verdict>,
{
    fn classify(&self, result: Result<&T, &Error<E>>) -> Verdict {
        let redirects = !self.without_redirects && redirects(result);
        let Ok(response) = result else { return classify(result, redirects) };
        let (status, headers) = (response.status(), response.headers());
        if let Some(verdict) = (self.classify_with)(status, headers) {
            return verdict;
        }
        match &self.retry_statuses {
            Some(statuses) if statuses.contains(&status) => failure(status, headers, redirects),
            Some(_) if status.is_client_error() || status.is_server_error() => Verdict::Refused,
            _ => of_answer(status, headers, redirects),
        }
    }

    /// The status code; the name of a rejection; `not_processed` where the server certainly did nothing.
    fn error_type(&self, result: Result<&T, &Error<E>>) -> Cow<'static, str> {
        error_type(result, !self.without_redirects && redirects(result))
    }
}
