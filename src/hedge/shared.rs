use std::sync::Arc;

use super::handle::Hedging;
use crate::budget::{Intake, RetryBudget};
use crate::sync::{Mutex, PoisonError};

/// What a layer was told.
#[derive(Debug)]
pub(super) struct Config<R> {
    pub(super) hedging: Hedging,
    pub(super) budget: RetryBudget,
    /// Nobody else tells the budget of requests.
    pub(super) has_own_budget: bool,
    pub(super) rules: Arc<R>,
}

impl<R> Clone for Config<R> {
    fn clone(&self) -> Self {
        let Self { hedging, budget, has_own_budget, rules } = self;
        Self {
            hedging: hedging.clone(),
            budget: budget.clone(),
            has_own_budget: *has_own_budget,
            rules: Arc::clone(rules),
        }
    }
}

/// What all clones of a service have in common. A request that is not hedged clones a pointer to it, and not the services of
/// all layers below.
pub(super) struct Shared<S, R> {
    config: Config<R>,
    intake: Intake,
    spare: Mutex<S>,
}

impl<S: Clone, R> Shared<S, R> {
    pub(super) fn new(config: Config<R>, inner: &S) -> Arc<Self> {
        Arc::new(Self { intake: config.budget.intake(), config, spare: Mutex::new(inner.clone()) })
    }

    /// The same for another service.
    pub(super) fn with(&self, inner: &S) -> Arc<Self> {
        Self::new(self.config.clone(), inner)
    }

    /// A service for a hedge.
    pub(super) fn service(&self) -> S {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<S, R> Shared<S, R> {
    #[inline]
    pub(super) fn rules(&self) -> &R {
        &self.config.rules
    }

    #[inline]
    pub(super) fn hedging(&self) -> &Hedging {
        &self.config.hedging
    }

    /// Counts a request that was sent, where nobody else does.
    #[inline]
    pub(super) fn deposit(&self) {
        if self.config.has_own_budget {
            self.config.budget.deposit(&self.intake);
        }
    }

    /// Whether its own budget paid for a hedge that it still remembers. What others share is kept by them.
    pub(super) fn has_drawn(&self) -> bool {
        self.config.has_own_budget && self.config.budget.is_drawn_on()
    }

    /// Pays for a hedge, if it can.
    pub(super) fn pay(&self) -> bool {
        if self.config.has_own_budget {
            self.config.budget.withdraw(&self.intake)
        } else {
            self.config.budget.try_withdraw()
        }
    }
}

impl<S, R> Drop for Shared<S, R> {
    fn drop(&mut self) {
        self.config.budget.close(&self.intake);
    }
}
