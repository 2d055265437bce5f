use std::sync::Arc;

use tokio::time::Instant;

/// How the switches of a failover stand.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// The name of the failover.
    pub name: Arc<str>,
    /// Who stopped it from moving on by itself, if somebody did.
    pub manual: Option<Switch>,
    /// Who said last which provider is preferred. `None` if nobody has: then it is the first one.
    pub preferred: Option<Switch>,
    /// The provider that a request that starts now goes to first. `None` if all are excluded and it rejects for that.
    pub first: Option<Arc<str>>,
    /// The providers, in the order in which they were given.
    pub providers: Vec<ProviderStatus>,
}

/// How one provider stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProviderStatus {
    /// The name of the provider.
    pub name: Arc<str>,
    /// Whether it comes before all others.
    pub is_preferred: bool,
    /// Who excluded it, if somebody did.
    pub excluded: Option<Switch>,
    /// How many requests moved on from it to another provider.
    pub moved_on: u64,
}

/// Who threw a switch, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Switch {
    /// What was given as `by`.
    pub by: Arc<str>,
    /// When.
    pub at: Instant,
}
