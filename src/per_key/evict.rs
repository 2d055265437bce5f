//! What a layer remembers, and whether that may be forgotten.
//!
//! The services are asked, not the layers: tower's `Stack` does not show the layers that it is made of, but the services
//! made by it lie in each other. A layer is asked by wrapping a [`Bottom`] with it.

use tower_layer::Layer;

use crate::bulkhead::{Adaptive, Bulkhead, QueueingBulkhead, Semaphore};
use crate::circuit_breaker::{Circuit, CircuitBreaker, State};
use crate::dead_letter::DeadLetters;
use crate::error::ServiceError;
use crate::fallback::Fallback;
use crate::faults::Faulty;
use crate::hedge::Hedge;
use crate::rate_limit::{RateLimit, RateLimited};
use crate::retry::Retry;
use crate::throttle::{Throttle, Throttled};
use crate::timeout::Timeout;
use crate::verify::Verify;

/// How long a layer must be kept for what it remembers. The greater value wins.
///
/// | | [`No`](Self::No) | [`UntilIdle`](Self::UntilIdle) | [`Yes`](Self::Yes) |
/// |---|---|---|---|
/// | circuit breaker | closed, and no call of its window failed or was slow | closed, and some did; open, and its wait is over; half-open, with room for a probe | it rejects, or recovers and may; an operator has switched it |
/// | bulkhead | its permits are all free | | requests are in flight or queue; it was [resized](crate::bulkhead::Semaphore::resize) |
/// | bulkhead that adapts | the same, and the limit is its first | it has another limit | as any bulkhead |
/// | rate limit | its whole burst may pass | | less may pass; it is paused; requests queue; its rate was [set](crate::rate_limit::RateLimit::set) |
/// | throttle | the upstream accepted all of its window | it did not, and nothing is rejected | it rejects some |
/// | retry, and a hedge with a budget of its own | its budget remembers nothing that was paid | its budget was drawn on | |
/// | timeout, hedge that is paid by another budget, fallback, verify, dead letter, faults; for HTTP, idempotency key and progress timeout | always | | |
///
/// A rate limit is not forgotten for being idle, because a new one would let a whole burst pass again. So a limit that
/// takes a day to refill needs room for all keys of a day: in `max_keys`, not in `max_idle`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Keep {
    /// It is as good as new: a new one would treat the next request the same way.
    No,
    /// Until no request has used it for [`max_idle`](super::PerKeyLayer::max_idle): it remembers what is past.
    UntilIdle,
    /// However long it is idle: it rejects, it is in use or in debt, or an operator has changed it.
    Yes,
}

/// Says whether the layer of a key may be evicted.
///
/// Implemented for the *service* that a layer makes, because a stack of layers can be looked into there. It
/// speaks for itself and for the service that it wraps. A key with a request under way is never evicted, so what lasts
/// only for one request need not be told.
///
/// One service speaks for all that its layer made: state that a layer makes anew for each service is not seen.
///
/// A service of your own takes part with one short impl:
///
/// ```
/// use windbreak::per_key::{Evict, Keep};
///
/// struct Quota<S> {
///     inner: S,
///     used: u32,
/// }
///
/// impl<S: Evict> Evict for Quota<S> {
///     fn keep(&self) -> Keep {
///         let own = if self.used == 0 { Keep::No } else { Keep::UntilIdle };
///         own.max(self.inner.keep())
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say whether its key may be evicted",
    label = "a layer for each key makes this service",
    note = "wrap a layer that remembers nothing in `windbreak::per_key::StatelessLayer`",
    note = "or implement `windbreak::per_key::Evict` for the service that your layer makes"
)]
pub trait Evict {
    /// How long it must be kept. No lock is held while it is asked.
    fn keep(&self) -> Keep;
}

/// Stands in for the client where a layer is asked for its [`Keep`]. It remembers nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bottom;

/// Asks a layer by way of its service.
pub(super) fn keep_of<L>(layer: &L) -> Keep
where
    L: Layer<Bottom>,
    L::Service: Evict,
{
    layer.layer(Bottom).keep()
}

impl Evict for Bottom {
    fn keep(&self) -> Keep {
        Keep::No
    }
}

impl Evict for Circuit {
    fn keep(&self) -> Keep {
        match self.look() {
            (State::Closed, tally, _) if tally.failures == 0 && tally.slow == 0 => Keep::No,
            (State::Closed, ..) | (State::Open | State::HalfOpen, _, false) => Keep::UntilIdle,
            _ => Keep::Yes,
        }
    }
}

impl<S: Evict, R> Evict for CircuitBreaker<S, R> {
    fn keep(&self) -> Keep {
        self.circuit().keep().max(self.get_ref().keep())
    }
}

impl Evict for Semaphore {
    fn keep(&self) -> Keep {
        if self.is_at_rest() { Keep::No } else { Keep::Yes }
    }
}

impl<S: Evict> Evict for QueueingBulkhead<S> {
    fn keep(&self) -> Keep {
        self.semaphore().keep().max(self.get_ref().keep())
    }
}

impl<S: Evict> Evict for Bulkhead<S> {
    fn keep(&self) -> Keep {
        self.semaphore().keep().max(self.get_ref().keep())
    }
}

/// The bulkhead above it speaks for the permits.
impl<S: Evict, R> Evict for Adaptive<S, R> {
    fn keep(&self) -> Keep {
        let own = if self.has_learned() { Keep::UntilIdle } else { Keep::No };
        own.max(self.get_ref().keep())
    }
}

/// A debt is kept however long the key is idle: a new limit would let a whole burst pass again.
impl Evict for RateLimit {
    fn keep(&self) -> Keep {
        if self.is_as_new() { Keep::No } else { Keep::Yes }
    }
}

impl<S: Evict, C, O> Evict for RateLimited<S, C, O> {
    fn keep(&self) -> Keep {
        self.limit().keep().max(self.get_ref().keep())
    }
}

impl Evict for Throttle {
    fn keep(&self) -> Keep {
        if self.reject_ratio() > 0.0 {
            Keep::Yes
        } else if self.tally().failures > 0 {
            Keep::UntilIdle
        } else {
            Keep::No
        }
    }
}

impl<S: Evict, R> Evict for Throttled<S, R> {
    fn keep(&self) -> Keep {
        self.throttle().keep().max(self.get_ref().keep())
    }
}

impl<S: Evict, R> Evict for Retry<S, R> {
    fn keep(&self) -> Keep {
        let own = if self.policy().budget().is_drawn_on() { Keep::UntilIdle } else { Keep::No };
        own.max(self.get_ref().keep())
    }
}

/// What it has learned is learned again.
impl<S: Evict, R> Evict for Hedge<S, R> {
    fn keep(&self) -> Keep {
        let own = if self.has_drawn() { Keep::UntilIdle } else { Keep::No };
        own.max(self.get_ref().keep())
    }
}

/// Which faults there are lies with their handle.
impl<S: Evict, R, E> Evict for Faulty<S, R, E> {
    fn keep(&self) -> Keep {
        self.get_ref().keep()
    }
}

/// What it knows of a request, it knows until the response.
impl<S: Evict, R, Request, T> Evict for Verify<S, R, Request, T> {
    fn keep(&self) -> Keep {
        self.get_ref().keep()
    }
}

/// What it counted lies with its counts.
impl<S: Evict, R, K> Evict for DeadLetters<S, R, K> {
    fn keep(&self) -> Keep {
        self.get_ref().keep()
    }
}

impl<S: Evict> Evict for Timeout<S> {
    fn keep(&self) -> Keep {
        self.get_ref().keep()
    }
}

impl<S: Evict, R, H> Evict for Fallback<S, R, H> {
    fn keep(&self) -> Keep {
        self.get_ref().keep()
    }
}

impl<S: Evict> Evict for ServiceError<S> {
    fn keep(&self) -> Keep {
        self.get_ref().keep()
    }
}
