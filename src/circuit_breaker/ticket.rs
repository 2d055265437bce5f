//! An admission and a refusal, each in one word.

use std::num::NonZeroU64;
use std::time::Duration;

/// The number of an admission. A result counts only while its ticket is valid: the ticket of a closed circuit until the
/// circuit opens or is switched, the ticket of a probe until the probe has ended.
pub(super) type Ticket = u64;

/// The ticket of a call of which nothing is recorded, or no longer. Tickets count from 1.
pub(super) const UNSEEN: Ticket = 0;

/// Marks the ticket of a probe. Above every number that [`Word`](super::word::Word) has room for.
pub(super) const PROBE: Ticket = 1 << 60;

/// A request was not admitted: the nanoseconds until one would be, plus one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusal(NonZeroU64);

impl Refusal {
    /// Nobody can say for how long.
    pub(super) const UNKNOWN: Self = Self(NonZeroU64::MAX);
    /// The circuit would admit a request, but the inner service cannot be called yet.
    pub(super) const NOW: Self = Self(NonZeroU64::MIN);

    /// `None` once there is no time left. More than 584 years are unknown.
    #[inline]
    pub(super) fn until(left: Duration) -> Option<Self> {
        let nanos =
            left.as_secs().checked_mul(1_000_000_000).map(|nanos| nanos.saturating_add(left.subsec_nanos().into()));
        Self::for_nanos(nanos.unwrap_or(u64::MAX))
    }

    #[inline]
    pub(super) fn for_nanos(left: u64) -> Option<Self> {
        (left > 0).then(|| Self(NonZeroU64::MIN.saturating_add(left)))
    }

    /// How long until a request would be admitted, where that is known.
    #[inline]
    pub(super) fn retry_after(self) -> Option<Duration> {
        (self != Self::UNKNOWN).then(|| Duration::from_nanos(self.0.get() - 1))
    }
}
