use std::time::Duration;

use windbreak::Effect;

use crate::domain::{Key, News, Provider};

/// What is asked of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    pub key: Key,
    pub cents: u64,
}

/// What a provider says to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Charged {
        at: Provider,
        cents: u64,
        receipt: String,
    },
    Declined {
        at: Provider,
    },
    /// Taken; the outcome comes later.
    Processing {
        at: Provider,
    },
}

impl Answer {
    /// `None` while the outcome is open.
    pub fn news(&self) -> Option<News> {
        match self {
            Self::Charged { at, cents, receipt } => {
                Some(News::Charged { at: *at, cents: *cents, receipt: receipt.clone() })
            }
            Self::Declined { at } => Some(News::Declined { at: *at }),
            Self::Processing { .. } => None,
        }
    }
}

/// A provider gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct PayError {
    /// In a short word.
    pub what: &'static str,
    pub effect: Effect,
    /// A further attempt at this provider, under this key, would fail in the same way.
    pub permanent: bool,
    pub retry_after: Option<Duration>,
    /// Nothing is to be done any more: somebody else has settled the order, or it could not be written down.
    pub overtaken: bool,
}

impl PayError {
    /// It certainly did nothing.
    pub const fn refused(what: &'static str) -> Self {
        Self { what, effect: Effect::NotApplied, permanent: false, retry_after: None, overtaken: false }
    }

    /// Nobody knows whether it did something.
    pub const fn unclear(what: &'static str) -> Self {
        Self { effect: Effect::Unknown, ..Self::refused(what) }
    }

    pub const fn overtaken(what: &'static str) -> Self {
        Self { overtaken: true, ..Self::unclear(what) }
    }

    #[must_use]
    pub const fn permanent(self) -> Self {
        Self { permanent: true, ..self }
    }
}
