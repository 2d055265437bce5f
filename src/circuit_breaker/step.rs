//! Inputs and outputs of one step of the machine.

use std::borrow::Cow;

use tokio::time::Instant;

use super::state::State;
use crate::window::Tally;

/// The present: the clock is read when it is first asked for, and once.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Now(pub(super) Option<Instant>);

impl Now {
    #[inline]
    pub(super) fn get(&mut self) -> Instant {
        *self.0.get_or_insert_with(Instant::now)
    }
}

impl From<Instant> for Now {
    fn from(now: Instant) -> Self {
        Self(Some(now))
    }
}

/// The time at which the machine is asked, and what it did.
#[derive(Debug, Default)]
pub(super) struct Step {
    pub(super) now: Now,
    /// The changes of state that it made, in order. Probes that hang open the circuit, and its wait may be over too.
    pub(super) transitions: Vec<Transition>,
    /// What the last failure in it was; `None` if nothing failed.
    pub(super) failed: Option<Failed>,
    /// Whoever waits to be admitted is to look again, also without a change of state: a probe left its place to another, or
    /// there is another wait.
    pub(super) freed: bool,
}

impl Step {
    pub(super) const fn at(now: Now) -> Self {
        Self { now, transitions: Vec::new(), failed: None, freed: false }
    }
}

/// A short word for what failed, where there is one. Borrowed, except where rules make it up.
pub(super) type Failed = Option<Cow<'static, str>>;

/// One change of state, and the calls that led to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Transition {
    pub(super) from: State,
    pub(super) to: State,
    pub(super) tally: Tally,
    /// An operator did it, and no call.
    pub(super) is_forced: bool,
}
