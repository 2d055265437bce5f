use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use super::rejection::Rejection;
use crate::attempts::Attempts;

/// The error of a stack: a rejection by one of its layers, or the error of the service at the bottom.
///
/// [`service`](Self::service), [`rejection`](Self::rejection) and the methods named `is_..` see through
/// [`Retried`](Self::Retried), and so does `==`, which compares what failed and not what was tried; matching on the
/// variants does not.
///
/// `Display` is the client's own for an error of the service, and a short name for a rejection, whose sentence is the
/// [`source`](StdError::source): a report of the whole chain says everything once.
#[derive(Debug, Clone)]
pub enum Error<E> {
    /// A layer rejected the request, or gave up on it.
    Rejected(Rejection),
    /// The service failed with an error of its own.
    Service(E),
    /// The last of several attempts failed, or all providers of a failover did.
    Retried(Retried<E>),
}

/// The error of the last of several attempts, and what was tried.
#[derive(Debug, Clone)]
pub struct Retried<E> {
    /// Boxed, so that an `Error` is no larger for it.
    inner: Box<(Error<E>, Attempts)>,
}

impl<E> Retried<E> {
    pub(super) fn new(error: Error<E>, attempts: Attempts) -> Self {
        Self { inner: Box::new((error, attempts)) }
    }

    /// The error of the last attempt.
    #[must_use]
    pub fn last(&self) -> &Error<E> {
        &self.inner.0
    }

    /// Takes the error of the last attempt out.
    #[must_use]
    pub fn into_last(self) -> Error<E> {
        self.inner.0
    }

    /// What was tried.
    #[must_use]
    pub fn attempts(&self) -> &Attempts {
        &self.inner.1
    }
}

impl<E> Error<E> {
    /// The service's own error, if that is what this is.
    pub fn service(&self) -> Option<&E> {
        match self {
            Self::Service(error) => Some(error),
            Self::Rejected(_) => None,
            Self::Retried(retried) => retried.last().service(),
        }
    }

    /// Takes the service's own error out, if that is what this is.
    ///
    /// # Errors
    ///
    /// The rejection, if the error is not the service's.
    pub fn into_service(self) -> Result<E, Rejection> {
        match self {
            Self::Service(error) => Ok(error),
            Self::Rejected(rejection) => Err(rejection),
            Self::Retried(retried) => retried.into_last().into_service(),
        }
    }

    /// The rejection, if the error is not the service's.
    #[must_use]
    pub fn rejection(&self) -> Option<&Rejection> {
        match self {
            Self::Rejected(rejection) => Some(rejection),
            Self::Service(_) => None,
            Self::Retried(retried) => retried.last().rejection(),
        }
    }

    /// Whether a timeout elapsed.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self.rejection(), Some(Rejection::Timeout { .. }))
    }

    /// Whether an open circuit rejected the request, so that no attempt of it was sent.
    #[must_use]
    pub fn is_circuit_open(&self) -> bool {
        matches!(self.rejection(), Some(Rejection::CircuitOpen { .. }))
    }

    /// Whether a bulkhead had no permit for the request, at once or after queueing.
    #[must_use]
    pub fn is_bulkhead_full(&self) -> bool {
        matches!(self.rejection(), Some(Rejection::BulkheadFull { .. } | Rejection::BulkheadTimeout { .. }))
    }

    /// Whether a rate limit rejected the request.
    #[must_use]
    pub fn is_rate_limited(&self) -> bool {
        matches!(self.rejection(), Some(Rejection::RateLimited { .. }))
    }

    /// How long to wait before trying again, where the layer that rejected the request knows it.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.rejection().and_then(Rejection::retry_after)
    }

    /// What was tried, if a retry layer or a hedge made more than one attempt, or if it went through a failover.
    #[must_use]
    pub fn attempts(&self) -> Option<&Attempts> {
        match self {
            Self::Retried(retried) => Some(retried.attempts()),
            _ => None,
        }
    }
}

impl<E: PartialEq> PartialEq for Error<E> {
    fn eq(&self, other: &Self) -> bool {
        (self.service(), self.rejection()) == (other.service(), other.rejection())
    }
}

impl<E: Eq> Eq for Error<E> {}

impl<E> From<Rejection> for Error<E> {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(rejection) => rejection
                .as_str()
                .split('_')
                .enumerate()
                .try_for_each(|(place, word)| write!(f, "{}{word}", if place == 0 { "" } else { " " })),
            Self::Service(error) => error.fmt(f),
            Self::Retried(retried) => {
                let count = retried.attempts().count();
                let mut providers = retried.attempts().providers().enumerate();
                retried.last().fmt(f)?;
                if count > 1 || providers.len() == 0 {
                    write!(f, " (after {count} attempt{})", if count == 1 { "" } else { "s" })?;
                }
                providers.try_for_each(|(place, (name, said))| {
                    write!(f, "{}{name}: {said}", if place == 0 { "; " } else { ", " })
                })
            }
        }
    }
}

impl<E: StdError + 'static> StdError for Error<E> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Rejected(rejection) => Some(rejection),
            Self::Service(error) => error.source(),
            Self::Retried(retried) => retried.last().source(),
        }
    }
}
