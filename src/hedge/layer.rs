use std::sync::Arc;
use std::time::Duration;

use tower_layer::Layer;

use super::handle::Hedging;
use super::service::Hedge;
use super::shared::{Config, Shared};
use crate::budget::RetryBudget;
use crate::config::InvalidConfig;

/// Sends a second attempt beside a slow first one, and returns the first good response.
///
/// | setter | default |
/// |---|---|
/// | [`max_hedges`](Self::max_hedges) | 1 |
/// | [`budget`](Self::budget) | one of its own: 20 % of the requests over 10 s, plus 10 |
///
/// All services made from a layer, or from a clone of it, share its [`Hedging`] and its budget.
#[derive(Debug)]
pub struct HedgeLayer<R> {
    config: Config<R>,
}

impl<R> HedgeLayer<R> {
    /// Sends a hedge once an attempt has taken `delay`; with zero, both are sent at once, and with `Duration::MAX` none ever
    /// is. Measured by tokio's timer, which rounds up to a millisecond. `rules` judge the results, say which requests may be
    /// repeated, and copy them.
    #[must_use]
    pub fn after(delay: Duration, rules: R) -> Self {
        Self::new(Hedging::after(delay), rules)
    }

    /// Sends a hedge beside the slowest `ratio` of the attempts. Hedges then add that share to the load: 0.02 sends a hedge
    /// beside two attempts of a hundred. The delay follows the last 1,000 first attempts of requests that may be hedged; none is sent
    /// before 100 have been seen.
    ///
    /// # Errors
    ///
    /// If `ratio` is not from 0.001 to 0.5.
    pub fn extra_load(ratio: f64, rules: R) -> Result<Self, InvalidConfig> {
        Ok(Self::new(Hedging::extra_load(ratio)?, rules))
    }

    fn new(hedging: Hedging, rules: R) -> Self {
        Self {
            config: Config { hedging, budget: RetryBudget::default(), has_own_budget: true, rules: Arc::new(rules) },
        }
    }

    /// How many hedges of a request there may be at most, each sent after a further delay. 0 switches hedging off.
    /// It is a number of the [`Hedging`], and so of all clones of this layer.
    ///
    /// # Errors
    ///
    /// If it is more than 3.
    pub fn max_hedges(self, hedges: u32) -> Result<Self, InvalidConfig> {
        self.config.hedging.set_max_hedges(hedges)?;
        Ok(self)
    }

    /// Pays for hedges from `budget`. Give it the budget of the retry layer below, which counts the requests for it: this
    /// layer then counts none.
    #[must_use]
    pub fn budget(mut self, budget: RetryBudget) -> Self {
        self.config.budget = budget;
        self.config.has_own_budget = false;
        self
    }

    /// When hedges are sent, and what became of them.
    #[must_use]
    pub const fn hedging(&self) -> &Hedging {
        &self.config.hedging
    }
}

impl<R> Clone for HedgeLayer<R> {
    fn clone(&self) -> Self {
        Self { config: self.config.clone() }
    }
}

impl<S: Clone, R> Layer<S> for HedgeLayer<R> {
    type Service = Hedge<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        let shared = Shared::new(self.config.clone(), &inner);
        Hedge::new(inner, shared)
    }
}
