use std::fmt;

use super::provider::Provider;

/// What was heard of one attempt to pay an order, or is about to be done.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum News {
    /// It is about to be sent to this provider. Whoever says so knows that no other one has acted on it, or will.
    Sending(Provider),
    /// It is about to be voided there.
    Voiding(Provider),
    Charged {
        at: Provider,
        cents: u64,
        receipt: String,
    },
    Declined {
        at: Provider,
    },
    /// No provider acted on it, and none will.
    NothingApplied,
    /// The void succeeded: nothing of it stands at this provider, or will.
    Voided {
        at: Provider,
    },
    /// It was left behind before it was sent anywhere.
    LeftUnsent,
    /// It is to be tried again, under a new key.
    TryAgain,
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sending(at) => write!(f, "about to be sent to {at}"),
            Self::Voiding(at) => write!(f, "about to be voided at {at}"),
            Self::Charged { at, cents, receipt } => write!(f, "charged {cents} at {at}, receipt {receipt}"),
            Self::Declined { at } => write!(f, "declined at {at}"),
            Self::NothingApplied => f.write_str("applied nowhere"),
            Self::Voided { at } => write!(f, "voided at {at}"),
            Self::LeftUnsent => f.write_str("left unsent"),
            Self::TryAgain => f.write_str("to be tried again"),
        }
    }
}
