use std::collections::VecDeque;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::dice::Rates;
use super::fault::Fault;
use super::running::Closures;
use super::switch::Switch;
use crate::config::{InvalidConfig, check_positive};

/// Which faults happen, to which requests, and how often. Made by [`Faults::plan`](super::Faults::plan); nothing happens before
/// [`start`](Self::start).
///
/// Each request that [`only`](Self::only) chooses meets one fault at most. The rates are shares, from 0 to 1 and at most 1
/// together; all are 0 by default.
#[must_use = "a plan does nothing until it is started"]
pub struct FaultPlan<Request, E> {
    switch: Switch<Request, E>,
    rates: Rates,
    script: VecDeque<Fault>,
    duration: Option<Duration>,
    closures: Closures<Request, E>,
}

impl<Request, E> FaultPlan<Request, E> {
    pub(super) const fn new(switch: Switch<Request, E>) -> Self {
        let closures = Closures { error: None, only: None };
        Self { switch, rates: Rates::NONE, script: VecDeque::new(), duration: None, closures }
    }

    /// Fails without a call, with the error that `error` makes.
    pub fn fail(mut self, rate: f64, error: impl Fn(&Request) -> E + Send + Sync + 'static) -> Self {
        self.rates.fail = rate;
        self.closures.error = Some(Box::new(error));
        self
    }

    /// Makes the call, and holds its result back for as long as is drawn from `delays`: `d..=d` is always `d`.
    pub fn delay(mut self, rate: f64, delays: RangeInclusive<Duration>) -> Self {
        self.rates.delay = rate;
        self.rates.delays = delays;
        self
    }

    /// Never responds, and makes no call.
    pub fn hang(mut self, rate: f64) -> Self {
        self.rates.hang = rate;
        self
    }

    /// Makes the call, throws its result away, and never responds: the upstream has acted, and the caller does not know.
    /// It is the fault that a payment must survive.
    pub fn lose_response(mut self, rate: f64) -> Self {
        self.rates.lose_response = rate;
        self
    }

    /// Lets faults happen to those requests only for which `chooses` returns `true`. All others pass, and count neither for
    /// the script nor for the draws.
    pub fn only(mut self, chooses: impl Fn(&Request) -> bool + Send + Sync + 'static) -> Self {
        self.closures.only = Some(Box::new(chooses));
        self
    }

    /// What happens to the first requests, one after the other. After them it goes by the rates.
    pub fn script(mut self, faults: impl IntoIterator<Item = Fault>) -> Self {
        self.script = faults.into_iter().collect();
        self
    }

    /// Ends by itself after `duration`. Without it, the faults go on until [`Faults::stop`](super::Faults::stop).
    pub fn for_(mut self, duration: Duration) -> Self {
        self.duration = Some(duration);
        self
    }

    /// Starts, instead of the plan that runs, and draws from the seed anew.
    ///
    /// # Errors
    ///
    /// If a rate is not from 0 to 1, or all together are above 1; if the range of delays ends before it starts, or the
    /// duration is zero; and if the script has a [`Fault::Fail`] and [`fail`](Self::fail) was not called, which makes its
    /// error. Then what runs goes on.
    pub fn start(self) -> Result<(), InvalidConfig> {
        self.rates.check()?;
        if let Some(duration) = self.duration {
            check_positive("for_", duration)?;
        }
        if self.closures.error.is_none() && self.script.contains(&Fault::Fail) {
            return Err(InvalidConfig::new("script", Fault::Fail, "in a plan with `fail`, which makes its error"));
        }
        self.switch.start(self.script, self.rates, self.closures, self.duration);
        Ok(())
    }
}

impl<Request, E> fmt::Debug for FaultPlan<Request, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultPlan")
            .field("rates", &self.rates)
            .field("script", &self.script)
            .field("duration", &self.duration)
            .finish_non_exhaustive()
    }
}
