//! What a layer remembers, and whether that may be forgotten.
//!
//! The services are asked, not the layers: tower's `Stack` does not show the layers that it is made of, but the services
//! made by it lie in each other. A layer is asked by wrapping a [`Bottom`] with it.

use tower_layer::Layer;

use crate::bulkhead::{Bulkhead, QueueingBulkhead, Semaphore};
use crate::circuit_breaker::{Circuit, CircuitBreaker, State};
use crate::error::ServiceError;
use crate::fallback::Fallback;
use crate::faults::Faulty;
use crate::hedge::Hedge;
use crate::rate_limit::{RateLimit, RateLimited};
use crate::retry::Retry;
use crate::timeout::Timeout;

/// How long a layer must be kept for what it remembers. The greater value wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Keep {
    /// It is as good as new: a new one would treat the next request the same way.
    No,
    /// Until no request has used it for [`max_idle`](super::PerKeyLayer::max_idle): a closed circuit with failures in
    /// its window, an open one whose wait is over, a budget of retries or hedges that was drawn on.
    UntilIdle,
    /// However long it is idle: a circuit that rejects or that an operator has switched, a bulkhead with requests in
    /// flight or in its queue, or one that was resized; a rate limit until all that has passed has come back, while it is
    /// paused, or if its rate was changed.
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
        if self.is_as_new() { Keep::No } else { Keep::Yes }
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

/// A new one would let a whole burst pass again.
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

impl<S: Evict, R> Evict for Retry<S, R> {
    fn keep(&self) -> Keep {
        let own = if self.budget().is_drawn_on() { Keep::UntilIdle } else { Keep::No };
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
