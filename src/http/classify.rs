use std::borrow::Cow;
use std::error::Error as StdError;

use http::{HeaderMap, StatusCode};

use super::effect::effect_of;
use super::retry_after::retry_after;
use super::{CustomHttp, Http, HttpResponse};
use crate::classify::{Classify, Effect, Failure, Verdict};
use crate::error::Error;

impl Http {
    /// What an answer says of the server. Of use in a classifier of your own.
    #[must_use]
    pub fn answer(self, status: StatusCode, headers: &HeaderMap) -> Verdict {
        let failed = status.is_server_error()
            || matches!(
                status,
                StatusCode::REQUEST_TIMEOUT
                    | StatusCode::MISDIRECTED_REQUEST
                    | StatusCode::TOO_EARLY
                    | StatusCode::TOO_MANY_REQUESTS
            );
        if failed {
            failure(status, headers)
        } else if status == StatusCode::CONFLICT {
            Verdict::InProgress { retry_after: retry_after(headers) }
        } else if status.is_client_error() {
            Verdict::Refused
        } else {
            Verdict::Success
        }
    }

    /// What the error of a client says of the server. Of use in a classifier of your own.
    #[must_use]
    pub fn error(self, error: &(dyn StdError + 'static)) -> Verdict {
        Verdict::Failure(Failure::new(effect_of(error)))
    }
}

/// A failure, with what the status says of its effect and the headers of when to come back.
fn failure(status: StatusCode, headers: &HeaderMap) -> Verdict {
    let retry_after = retry_after(headers);
    let effect = match status {
        // The server says that it did not act on the request.
        StatusCode::MISDIRECTED_REQUEST | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => Effect::None,
        // One that knows when to come back has turned the request away, not broken down over it.
        StatusCode::SERVICE_UNAVAILABLE if retry_after.is_some() => Effect::None,
        _ => Effect::Unknown,
    };
    Verdict::Failure(Failure { effect, retry_after })
}

impl<T, E> Classify<T, Error<E>> for Http
where
    T: HttpResponse,
    E: StdError + 'static,
{
    fn classify(&self, result: Result<&T, &Error<E>>) -> Verdict {
        match result {
            Ok(response) => self.answer(response.status(), response.headers()),
            Err(Error::Rejected(rejection)) => rejection.into(),
            Err(Error::Service(error)) => self.error(error),
        }
    }

    /// The status code; the name of a rejection; `not_processed` where the server certainly did nothing.
    fn error_type(&self, result: Result<&T, &Error<E>>) -> Cow<'static, str> {
        match result {
            Ok(response) => response.status().as_str().to_owned().into(),
            Err(Error::Rejected(rejection)) => rejection.as_str().into(),
            Err(Error::Service(error)) if effect_of(error) == Effect::None => "not_processed".into(),
            Err(Error::Service(_)) => "_OTHER".into(),
        }
    }
}

impl<T, E, F> Classify<T, Error<E>> for CustomHttp<F>
where
    T: HttpResponse,
    E: StdError + 'static,
    F: Fn(StatusCode, &HeaderMap) -> Option<Verdict>,
{
    fn classify(&self, result: Result<&T, &Error<E>>) -> Verdict {
        let Ok(response) = result else { return Http.classify(result) };
        let (status, headers) = (response.status(), response.headers());
        if let Some(verdict) = (self.classify_with)(status, headers) {
            return verdict;
        }
        match &self.retry_statuses {
            Some(statuses) if statuses.contains(&status) => failure(status, headers),
            Some(_) if status.is_client_error() || status.is_server_error() => Verdict::Refused,
            _ => Http.answer(status, headers),
        }
    }

    fn error_type(&self, result: Result<&T, &Error<E>>) -> Cow<'static, str> {
        Http.error_type(result)
    }
}
