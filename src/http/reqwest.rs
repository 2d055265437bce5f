use std::error::Error as StdError;

use reqwest::{Request, Response};

use super::Http;
use crate::classify::{Classify, Replay, Verdict};
use crate::error::Error;

impl<E> Classify<Response, Error<E>> for Http
where
    E: StdError + 'static,
{
    fn classify(&self, result: Result<&Response, &Error<E>>) -> Verdict {
        match result {
            Ok(response) => self.status(response.status()),
            Err(error) => self.stack_error(error),
        }
    }
}

/// A request whose body is a stream cannot be copied, and is sent once.
impl Replay<Request> for Http {
    fn replay(&self, request: &Request) -> Option<Request> {
        request.try_clone()
    }

    fn is_idempotent(&self, request: &Request) -> bool {
        Self::is_repeatable(request.method(), request.headers())
    }
}
