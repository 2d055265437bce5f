use std::fmt;

/// What a circuit is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// Admits every request and watches how they end.
    Closed,
    /// Rejects every request until its wait is over.
    Open,
    /// Admits a few requests as probes and rejects the others.
    HalfOpen,
    /// Admits a share of the requests that grows with time, after the probes went well. Only with
    /// [`recover_over`](super::CircuitBuilder::recover_over).
    Recovering,
    /// Rejects every request until an operator ends it.
    ForcedOpen,
    /// Admits every request and records nothing, until an operator ends it.
    ForcedClosed,
    /// Admits every request and records how they end, but never opens, until an operator ends it.
    ObserveOnly,
}

impl State {
    /// The state in lower case with underscores, as it stands in events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
            Self::Recovering => "recovering",
            Self::ForcedOpen => "forced_open",
            Self::ForcedClosed => "forced_closed",
            Self::ObserveOnly => "observe_only",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
