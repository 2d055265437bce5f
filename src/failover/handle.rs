use std::fmt;
use std::sync::Arc;

use super::status::Status;
use super::switches::Switches;
use crate::config::InvalidConfig;

/// Steers a [`Failover`](super::Failover) by hand. Cheap to clone.
///
/// A switch takes effect for every request that starts after it, at all clones of the service, and stays until it is
/// thrown back: no result of a request changes it. Requests under way go on as they started. `by` says who
/// threw it, and stands in the [`status`](Self::status) and in the event.
#[derive(Clone)]
pub struct FailoverHandle {
    switches: Arc<Switches>,
}

impl FailoverHandle {
    pub(super) const fn new(switches: Arc<Switches>) -> Self {
        Self { switches }
    }

    /// Puts a provider before all others, which keep their order. Prefer the first one to undo it.
    ///
    /// # Errors
    ///
    /// If there is no provider of this name.
    pub fn prefer(&self, provider: &str, by: impl Into<Arc<str>>) -> Result<(), InvalidConfig> {
        self.switches.prefer(provider, &by.into())
    }

    /// Sends nothing more to a provider. When all are excluded, the preferred one gets the requests all the same, unless
    /// the failover was built with
    /// [`reject_when_all_excluded`](super::FailoverBuilder::reject_when_all_excluded).
    ///
    /// # Errors
    ///
    /// If there is no provider of this name.
    pub fn exclude(&self, provider: &str, by: impl Into<Arc<str>>) -> Result<(), InvalidConfig> {
        self.switches.exclude(provider, true, &by.into())
    }

    /// Takes an excluded provider in again.
    ///
    /// # Errors
    ///
    /// If there is no provider of this name.
    pub fn restore(&self, provider: &str, by: impl Into<Arc<str>>) -> Result<(), InvalidConfig> {
        self.switches.exclude(provider, false, &by.into())
    }

    /// Stops it from moving on by itself: each request goes to the first provider that is not excluded, and to no other.
    pub fn manual(&self, by: impl Into<Arc<str>>) {
        self.switches.manual(true, &by.into());
    }

    /// Lets it move on by itself again, as it does at first. The preference and the exclusions stay.
    pub fn automatic(&self, by: impl Into<Arc<str>>) {
        self.switches.manual(false, &by.into());
    }

    /// How the switches stand, and who threw them.
    #[must_use]
    pub fn status(&self) -> Status {
        self.switches.status()
    }
}

impl fmt::Debug for FailoverHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailoverHandle").field("name", &self.switches.name).finish_non_exhaustive()
    }
}
