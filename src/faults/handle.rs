use std::fmt;

use super::layer::FaultLayer;
use super::plan::FaultPlan;
use super::running::FaultCounts;
use super::switch::Switch;

/// Switches faults on and off, for services whose requests are `Request` and whose error is `E`. Cheap to clone; all clones
/// are the same, and so are the layers made from it.
///
/// Off by default: then a request costs one relaxed load.
pub struct Faults<Request, E> {
    switch: Switch<Request, E>,
}

impl<Request, E> Faults<Request, E> {
    /// Faults that are off until a [plan](Self::plan) starts.
    #[must_use]
    pub fn new() -> Self {
        Self { switch: Switch::off() }
    }

    /// Draws from this seed: the same requests in the same order then meet the same faults. It holds for the plans that are
    /// started after it. Another version of windbreak, or a 32-bit machine, may draw otherwise.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        self.switch.set_seed(seed);
        self
    }

    /// The layer. It goes directly above the client, below all that is to be tested.
    #[must_use]
    pub fn layer(&self) -> FaultLayer<Request, E> {
        FaultLayer::new(self.switch.clone())
    }

    /// Begins a plan of what is to happen.
    pub fn plan(&self) -> FaultPlan<Request, E> {
        FaultPlan::new(self.switch.clone())
    }

    /// Ends all faults. A request that hangs already goes on hanging.
    pub fn stop(&self) {
        self.switch.stop();
    }

    /// Whether a plan runs.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.switch.is_on()
    }

    /// What has happened so far, under all plans.
    #[must_use]
    pub fn counts(&self) -> FaultCounts {
        self.switch.counts()
    }
}

impl<Request, E> Default for Faults<Request, E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<Request, E> Clone for Faults<Request, E> {
    fn clone(&self) -> Self {
        Self { switch: self.switch.clone() }
    }
}

impl<Request, E> fmt::Debug for Faults<Request, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").field("is_on", &self.is_on()).field("counts", &self.counts()).finish_non_exhaustive()
    }
}
