use crate::bulkhead::semaphore::Semaphore;
use crate::config::{InvalidConfig, check_count};

/// How a limit adapts: its bounds, and whether it acts.
///
/// ```
/// use windbreak::bulkhead::Adapt;
///
/// assert!(Adapt::between(1, 200).is_ok());
/// let error = Adapt::between(50, 10).unwrap_err();
/// assert_eq!(error.to_string(), "`between max` is 10; it must be from 50 to 2147483647");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Adapt {
    pub(super) min: usize,
    pub(super) max: usize,
    pub(super) observe_only: bool,
}

impl Adapt {
    /// The limit is never below `min` nor above `max`.
    ///
    /// # Errors
    ///
    /// If `min` is zero, or `max` is below `min` or above 2,147,483,647.
    pub fn between(min: usize, max: usize) -> Result<Self, InvalidConfig> {
        check_count("between min", min, Semaphore::MAX_LIMIT)?;
        if !(min..=Semaphore::MAX_LIMIT).contains(&max) {
            let bound = format!("from {min} to {}", Semaphore::MAX_LIMIT);
            return Err(InvalidConfig::new("between max", max, bound));
        }
        Ok(Self { min, max, observe_only: false })
    }

    /// Computes the limit without acting on it: the permits stay as many as they are, and
    /// [`adapted_limit`](super::AdaptiveBulkheadLayer::adapted_limit) and the events tell what would have been done. A
    /// limit that is never reached does not grow, so it is not computed far above the one in force.
    #[must_use]
    pub const fn observe_only(mut self) -> Self {
        self.observe_only = true;
        self
    }
}
