//! The error of every `build()` and every constructor that takes numbers, and the checks behind it.

use std::fmt;
use std::time::Duration;

/// A number in a configuration is out of its bounds.
///
/// ```
/// use windbreak::Circuit;
///
/// let error = Circuit::builder("payments").failure_ratio(1.5).build().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "circuit `payments`: `failure_ratio` is 1.5; it must be above 0 and at most 1"
/// );
/// assert_eq!(error.field(), "failure_ratio");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidConfig {
    subject: Option<String>,
    field: &'static str,
    value: String,
    bound: String,
}

impl InvalidConfig {
    pub(crate) fn new(field: &'static str, value: impl fmt::Debug, bound: impl Into<String>) -> Self {
        Self { subject: None, field, value: format!("{value:?}"), bound: bound.into() }
    }

    /// The same error, which says what the field belongs to, unless it says so already.
    pub(crate) fn of(mut self, subject: impl FnOnce() -> String) -> Self {
        self.subject.get_or_insert_with(subject);
        self
    }

    /// What the field belongs to, such as ``circuit `payments` ``, if it has a name.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
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

impl fmt::Display for InvalidConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(subject) = &self.subject {
            write!(f, "{subject}: ")?;
        }
        write!(f, "`{}` is {}; it must be {}", self.field, self.value, self.bound)
    }
}

impl std::error::Error for InvalidConfig {}

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
    if (1..=max).contains(&count) { Ok(()) } else { Err(InvalidConfig::new(field, count, bound_of_count(max))) }
}

fn bound_of_count(max: usize) -> String {
    if max == usize::MAX { "at least 1".to_owned() } else { format!("from 1 to {max}") }
}
