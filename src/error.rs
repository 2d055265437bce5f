//! One flat error for a whole stack, however many layers it has.
//!
//! Every layer keeps the error type of the service it wraps, and asks of it only that it can carry a [`Rejection`]:
//! that is [`Rejectable`]. [`Error<E>`] is the ready-made one. `.map_err(Error::Service)` directly above a client
//! puts its error in, and from there on the type stays `Error<E>`, whatever is stacked above it.
//!
//! ```
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use windbreak::{BulkheadLayer, Error, TimeoutLayer};
//! # use std::time::Duration;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), windbreak::InvalidConfig> {
//! let client = service_fn(|name: &'static str| async move { Err::<(), _>(std::fmt::Error) });
//!
//! let stack = ServiceBuilder::new()
//!     .layer(TimeoutLayer::new(Duration::from_secs(1)))
//!     .layer(BulkheadLayer::new(64)?)
//!     .map_err(Error::Service)
//!     .service(client);
//!
//! let error: Error<std::fmt::Error> = stack.oneshot("who").await.unwrap_err();
//! assert_eq!(error.service(), Some(&std::fmt::Error));
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Boxed error, as tower has it.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why windbreak answered instead of the service that was called.
///
/// Cheap to clone: it owns no memory of its own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// There was no answer in time. The callee may or may not have done what it was asked.
    #[error("no answer within {limit:?}")]
    #[non_exhaustive]
    Timeout {
        /// How long was waited.
        limit: Duration,
    },
    /// The circuit does not let the request pass. It was not sent.
    #[error("circuit `{name}` is open")]
    #[non_exhaustive]
    CircuitOpen {
        /// The name of the circuit.
        name: Arc<str>,
        /// How long until the circuit admits a request again: sooner it refuses, then it admits.
        /// `None` where nobody can say: all probes are out, or an operator holds it open.
        retry_after: Option<Duration>,
    },
    /// All places were taken, and so was the queue if there is one. The request was not sent.
    #[error("bulkhead is full: {limit} requests are in flight")]
    #[non_exhaustive]
    BulkheadFull {
        /// How many requests may be in flight at once.
        limit: usize,
    },
    /// No place came free while the request queued. It was not sent.
    #[error("bulkhead is full: {limit} requests are in flight, and none ended within {max_wait:?}")]
    #[non_exhaustive]
    BulkheadTimeout {
        /// How many requests may be in flight at once.
        limit: usize,
        /// How long the request queued.
        max_wait: Duration,
    },
}

impl Rejection {
    /// A short name: `timeout`, `circuit_open`, `bulkhead_full` or `bulkhead_timeout`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Timeout { .. } => "timeout",
            Self::CircuitOpen { .. } => "circuit_open",
            Self::BulkheadFull { .. } => "bulkhead_full",
            Self::BulkheadTimeout { .. } => "bulkhead_timeout",
        }
    }
}

/// The error of a stack: a rejection by one of its layers, or the error of the service at the bottom.
///
/// `Display` and `source()` are those of what is inside, so nothing is said twice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error<E> {
    /// A layer answered instead of the service.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The service answered with its own error.
    #[error(transparent)]
    Service(E),
}

impl<E> Error<E> {
    /// The service's own error, if that is what this is.
    pub const fn service(&self) -> Option<&E> {
        match self {
            Self::Service(error) => Some(error),
            Self::Rejected(_) => None,
        }
    }

    /// Takes the service's own error out, if that is what this is.
    ///
    /// # Errors
    ///
    /// The rejection, if a layer answered instead.
    pub fn into_service(self) -> Result<E, Rejection> {
        match self {
            Self::Service(error) => Ok(error),
            Self::Rejected(rejection) => Err(rejection),
        }
    }

    /// Whether there was no answer in time.
    #[must_use]
    pub const fn is_timeout(&self) -> bool {
        matches!(self, Self::Rejected(Rejection::Timeout { .. }))
    }

    /// Whether a circuit did not let the request pass.
    #[must_use]
    pub const fn is_circuit_open(&self) -> bool {
        matches!(self, Self::Rejected(Rejection::CircuitOpen { .. }))
    }

    /// Whether a bulkhead had no place for the request, at once or after queueing.
    #[must_use]
    pub const fn is_bulkhead_full(&self) -> bool {
        matches!(self, Self::Rejected(Rejection::BulkheadFull { .. } | Rejection::BulkheadTimeout { .. }))
    }

    /// How long to wait before trying again, where the layer that refused the request knows it.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Rejected(Rejection::CircuitOpen { retry_after, .. }) => *retry_after,
            _ => None,
        }
    }
}

/// An error type that can carry a [`Rejection`]: what every layer asks of the service it wraps.
///
/// It is there for [`Error<E>`] and for `Box<dyn std::error::Error + Send + Sync>`. An error of your own takes
/// part with two short impls:
///
/// ```
/// use windbreak::error::{Rejectable, Rejection};
///
/// #[derive(Debug)]
/// enum AppError {
///     Overloaded(Rejection),
///     Database(String),
/// }
///
/// impl From<Rejection> for AppError {
///     fn from(rejection: Rejection) -> Self {
///         Self::Overloaded(rejection)
///     }
/// }
///
/// impl Rejectable for AppError {
///     fn rejection(&self) -> Option<&Rejection> {
///         match self {
///             Self::Overloaded(rejection) => Some(rejection),
///             Self::Database(_) => None,
///         }
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot carry a windbreak rejection",
    label = "this service's error is `{Self}`",
    note = "write `.map_err(windbreak::Error::Service)` directly above the client, below the last windbreak layer",
    note = "or implement `windbreak::error::Rejectable` for an error type of your own"
)]
pub trait Rejectable: From<Rejection> {
    /// The rejection, if that is what this error is.
    fn rejection(&self) -> Option<&Rejection>;
}

impl<E> Rejectable for Error<E> {
    fn rejection(&self) -> Option<&Rejection> {
        match self {
            Self::Rejected(rejection) => Some(rejection),
            Self::Service(_) => None,
        }
    }
}

impl Rejectable for BoxError {
    fn rejection(&self) -> Option<&Rejection> {
        self.downcast_ref()
    }
}

/// A number in a configuration is out of its bounds.
///
/// ```
/// use windbreak::Circuit;
///
/// let error = Circuit::builder("payments").failure_ratio(1.5).build().unwrap_err();
/// assert_eq!(error.to_string(), "`failure_ratio` is 1.5; it must be above 0 and at most 1");
/// assert_eq!(error.field(), "failure_ratio");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` is {value}; it must be {bound}")]
pub struct InvalidConfig {
    field: &'static str,
    value: String,
    bound: String,
}

impl InvalidConfig {
    pub(crate) fn new(field: &'static str, value: impl fmt::Debug, bound: impl Into<String>) -> Self {
        Self { field, value: format!("{value:?}"), bound: bound.into() }
    }

    /// The name of the setter that was given the value, and of the argument where it takes more than one.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        self.field
    }

    /// The value that was given.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// What the value must be, as the end of the sentence "it must be …".
    #[must_use]
    pub fn bound(&self) -> &str {
        &self.bound
    }
}

/// Checks that a ratio can be reached and is one.
pub(crate) fn check_ratio(field: &'static str, ratio: f64) -> Result<(), InvalidConfig> {
    if ratio > 0.0 && ratio <= 1.0 { Ok(()) } else { Err(InvalidConfig::new(field, ratio, "above 0 and at most 1")) }
}

/// Checks that a duration is not zero.
pub(crate) fn check_positive(field: &'static str, duration: Duration) -> Result<(), InvalidConfig> {
    if duration.is_zero() { Err(InvalidConfig::new(field, duration, "longer than zero")) } else { Ok(()) }
}

/// Checks that a number of things is within `1..=max`.
pub(crate) fn check_count(field: &'static str, count: usize, max: usize) -> Result<(), InvalidConfig> {
    if (1..=max).contains(&count) { Ok(()) } else { Err(InvalidConfig::new(field, count, format!("from 1 to {max}"))) }
}
