use std::error::Error as StdError;
use std::io;

use http::{Response, StatusCode};

use super::Http;
use crate::classify::{Classify, Effect, Failure, Verdict};
use crate::error::Error;

impl Http {
    /// What a status code says of the server. Of use in a classifier of your own.
    #[must_use]
    pub fn status(self, status: StatusCode) -> Verdict {
        let failed = status.is_server_error()
            || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS);
        if failed {
            Verdict::Failure(Failure::new(Effect::Unknown))
        } else if status.is_client_error() {
            Verdict::Refused
        } else {
            Verdict::Success
        }
    }

    /// What the error of a client says of the server. Of use in a classifier of your own.
    #[must_use]
    pub fn error(self, error: &(dyn StdError + 'static)) -> Verdict {
        let effect = if never_connected(error) { Effect::None } else { Effect::Unknown };
        Verdict::Failure(Failure::new(effect))
    }

    pub(super) fn stack_error<E: StdError + 'static>(self, error: &Error<E>) -> Verdict {
        match error {
            Error::Rejected(rejection) => rejection.into(),
            Error::Service(error) => self.error(error),
        }
    }
}

impl<B, E> Classify<Response<B>, Error<E>> for Http
where
    E: StdError + 'static,
{
    fn classify(&self, result: Result<&Response<B>, &Error<E>>) -> Verdict {
        match result {
            Ok(response) => self.status(response.status()),
            Err(error) => self.stack_error(error),
        }
    }
}

/// Whether no connection came about, so that not a byte of the request was sent.
///
/// The clients wrap one another's errors, so the answer is somewhere down the chain of sources.
fn never_connected(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<hyper_util::client::legacy::Error>() {
            return error.is_connect();
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return error.kind() == io::ErrorKind::ConnectionRefused;
        }
        next = error.source();
    }
    false
}
