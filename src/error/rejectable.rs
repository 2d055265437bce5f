use super::any::{Error, Retried};
use super::rejection::Rejection;
use crate::attempts::Attempts;
use crate::rules::{Effect, Failure, Verdict};

/// Boxed error, as tower has it.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// An error type that can carry a [`Rejection`]: what every layer asks of the service it wraps.
///
/// [`Error<E>`] and `Box<dyn std::error::Error + Send + Sync>` implement it. An error of your own takes part with two
/// short impls:
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
    note = "write `.layer(windbreak::ServiceErrorLayer)` or `.map_err(windbreak::Error::Service)` directly above the client, below the last windbreak layer",
    note = "or implement `windbreak::error::Rejectable` for an error type of your own"
)]
pub trait Rejectable: From<Rejection> {
    /// The rejection, if that is what this error is.
    fn rejection(&self) -> Option<&Rejection>;

    /// The rejection, if it is certainly one of this request: only then does it prove that the request was not sent. The
    /// default is [`rejection`](Self::rejection).
    ///
    /// A boxed error can be that of a service which acted, and then failed on a call of its own that was rejected: on the
    /// mail that confirms the order, for example. So a rejection that stands behind another error is not believed here.
    fn own_rejection(&self) -> Option<&Rejection> {
        self.rejection()
    }

    /// What was tried, where the error says so. The default says nothing.
    fn attempts(&self) -> Option<&Attempts> {
        None
    }

    /// The same error, with what it took. The default leaves the error as it is.
    #[must_use]
    fn with_attempts(self, _attempts: Attempts) -> Self {
        self
    }
}

/// What the rejection in an error says, if there is one. One that stands behind another error does not prove that nothing
/// was done.
pub(crate) fn verdict_of_rejection<E: Rejectable>(error: &E) -> Option<Verdict> {
    if let Some(own) = error.own_rejection() {
        return Some(own.into());
    }
    Some(match error.rejection()?.into() {
        Verdict::Failure(failure) => Verdict::Failure(Failure { effect: Effect::Unknown, ..failure }),
        verdict => verdict,
    })
}

/// The effect of a request that ended in a rejection; `None` if the error is none. One that stands behind another error
/// proves nothing.
pub(crate) fn effect_of_rejection<E: Rejectable>(error: &E) -> Option<Effect> {
    let own = error.own_rejection().map(Rejection::effect);
    own.or_else(|| error.rejection().map(|_| Effect::Unknown))
}

impl<E> Rejectable for Error<E> {
    #[inline]
    fn rejection(&self) -> Option<&Rejection> {
        Self::rejection(self)
    }

    fn attempts(&self) -> Option<&Attempts> {
        Self::attempts(self)
    }

    fn with_attempts(self, attempts: Attempts) -> Self {
        match self {
            Self::Retried(within) => {
                let attempts = attempts.around(within.attempts());
                Self::Retried(Retried::new(within.into_last(), attempts))
            }
            error => Self::Retried(Retried::new(error, attempts)),
        }
    }
}

/// Looks through the chain of sources: a service between two of windbreak's layers, as `tower::buffer` is, may have boxed
/// or wrapped the rejection.
impl Rejectable for BoxError {
    fn rejection(&self) -> Option<&Rejection> {
        Rejection::find_in(&**self)
    }

    fn own_rejection(&self) -> Option<&Rejection> {
        self.downcast_ref()
    }
}
