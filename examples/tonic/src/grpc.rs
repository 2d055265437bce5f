//! The rules for methods of gRPC. The cookbook has this text.

use std::borrow::Cow;

use tonic::{Code, Status};
use windbreak::rules::{Classify, Discard, ErrorsOnly, Idempotency, Repeat, Replay};
use windbreak::{Error, Rejection, Verdict};

/// What the status of a call says of the server.
#[derive(Clone, Copy)]
pub struct Grpc {
    /// Whether the methods may be called again.
    pub idempotency: Idempotency,
}

impl<T> Classify<T, Error<Status>> for Grpc {
    fn classify(&self, result: Result<&T, &Error<Status>>) -> Verdict {
        let Err(error) = result else { return Verdict::Success };
        let Some(status) = error.service() else {
            return error.rejection().map_or(Verdict::UNKNOWN, Verdict::from);
        };
        let repeatable = self.idempotency.is_repeatable();
        match status.code() {
            Code::Unavailable | Code::DeadlineExceeded | Code::Internal | Code::Unknown => Verdict::UNKNOWN,
            // A quota. Or a response that is too long: then the server has acted.
            Code::ResourceExhausted if repeatable => Verdict::throttled(None),
            Code::Cancelled => Verdict::Ignored,
            _ => Verdict::Declined,
        }
    }

    /// For spans, and for the error of an open circuit, which says what opened it.
    fn error_type(&self, result: Result<&T, &Error<Status>>) -> Cow<'static, str> {
        match result.err().and_then(Error::service) {
            Some(status) => format!("{:?}", status.code()).into(),
            None => ErrorsOnly.error_type(result),
        }
    }
}

impl Repeat<()> for Grpc {
    fn idempotency(&self, (): &()) -> Idempotency {
        self.idempotency
    }
}

impl Replay<()> for Grpc {
    fn copy(&self, (): &()) -> Option<()> {
        Some(())
    }
}

impl<T> Discard<T> for Grpc {}

/// The status that a caller of yours gets: `UNAVAILABLE` where nothing was sent.
pub fn status(error: Error<Status>) -> Status {
    match error.into_service() {
        Ok(status) => status,
        Err(rejection) => {
            let reason = rejection.to_string();
            match rejection {
                Rejection::Timeout { .. } => Status::deadline_exceeded(reason),
                _ => Status::unavailable(reason),
            }
        }
    }
}
