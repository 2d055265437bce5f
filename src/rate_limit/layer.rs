use std::time::Duration;

use tower_layer::Layer;

use super::cost::{CostFn, UnitCost};
use super::limit::RateLimit;
use super::obey::{ObeyNothing, Obeying};
use super::rate::Rate;
use super::service::RateLimited;
use super::shared::Patience;

/// The longest pause that an upstream is granted: one request asks again after a minute, whatever a header said.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// Limits the request rate.
///
/// All services made from a layer, or from a clone of it, share its limit.
///
/// | setter | default |
/// |---|---|
/// | [`max_wait`](Self::max_wait) | zero: a request above the rate is rejected at once |
/// | [`max_queue`](Self::max_queue) | no bound |
/// | [`cost`](Self::cost) | 1 for each request |
/// | [`obey`](Self::obey) | nothing |
/// | [`max_pause`](Self::max_pause) | 60 s |
#[derive(Debug, Clone)]
pub struct RateLimitLayer<C = UnitCost, O = ObeyNothing> {
    limit: RateLimit,
    patience: Patience,
    cost: C,
    obey: O,
}

impl RateLimitLayer {
    /// Lets requests pass at `rate`; a further one is rejected at once.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Self::with_limit(RateLimit::new(rate))
    }

    /// Uses an existing limit: services of different layers may share one.
    #[must_use]
    pub const fn with_limit(limit: RateLimit) -> Self {
        let patience = Patience { max_wait: Duration::ZERO, max_queue: usize::MAX };
        Self { limit, patience, cost: UnitCost, obey: ObeyNothing }
    }
}

impl<C, O> RateLimitLayer<C, O> {
    /// How long a request may queue. Zero (default): never; [`Duration::MAX`]: without a bound.
    ///
    /// A request whose turn would come later than that, or not before its [deadline](crate::deadline()), is rejected at
    /// once. A turn can move on while the request waits, when the limit is paused or made slower: then it is rejected
    /// once that is known, and never later than `max_wait`.
    ///
    /// tokio's timers count in milliseconds, so a request may start up to one later than its turn. A burst of 1 does not
    /// make up for that: where requests queue at more than some hundred a second, allow a burst of a few milliseconds.
    #[must_use]
    pub const fn max_wait(mut self, max_wait: Duration) -> Self {
        self.patience.max_wait = max_wait;
        self
    }

    /// How many requests may queue; a further one is rejected at once. By default there is no bound: `max_wait` and the
    /// rate bound the queue too.
    #[must_use]
    pub const fn max_queue(mut self, max_queue: usize) -> Self {
        self.patience.max_queue = max_queue;
        self
    }

    /// Sets what a request takes of the limit. One that costs more than the burst is rejected; one that costs nothing
    /// passes, whatever the limit says.
    #[must_use]
    pub fn cost<R, F>(self, cost: F) -> RateLimitLayer<CostFn<F>, O>
    where
        F: Fn(&R) -> u32,
    {
        RateLimitLayer { limit: self.limit, patience: self.patience, cost: CostFn(cost), obey: self.obey }
    }

    /// Obeys the limit that the upstream announces, as `rules` read it from the results: `Http` (feature `http`), or
    /// your own [`Obey`](super::Obey).
    ///
    /// A pause holds up all requests of this limit, for at most 60 s (see [`max_pause`](RateLimitLayer::max_pause)); the
    /// longest wins. What the upstream has left lowers what is available, and never raises it.
    #[must_use]
    pub fn obey<N>(self, rules: N) -> RateLimitLayer<C, Obeying<N>> {
        let obey = Obeying { rules, max_pause: MAX_PAUSE };
        RateLimitLayer { limit: self.limit, patience: self.patience, cost: self.cost, obey }
    }

    /// Another layer of the same rate and settings, with a limit of its own: for one limit for each key.
    #[must_use]
    pub fn sibling(&self) -> Self
    where
        C: Clone,
        O: Clone,
    {
        Self { limit: self.limit.sibling(), ..self.clone() }
    }

    /// Its limit: to look at, and to change.
    #[must_use]
    pub const fn limit(&self) -> &RateLimit {
        &self.limit
    }
}

impl<C, N> RateLimitLayer<C, Obeying<N>> {
    /// The longest pause for which the upstream is obeyed at a time. Default: 60 s.
    #[must_use]
    pub fn max_pause(mut self, max_pause: Duration) -> Self {
        self.obey.max_pause = max_pause;
        self
    }
}

impl<S, C, O> Layer<S> for RateLimitLayer<C, O>
where
    C: Clone,
    O: Clone,
{
    type Service = RateLimited<S, C, O>;

    fn layer(&self, inner: S) -> Self::Service {
        RateLimited::new(inner, self.limit.clone(), self.patience, self.cost.clone(), self.obey.clone())
    }
}
