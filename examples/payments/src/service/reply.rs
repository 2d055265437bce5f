use std::time::Duration;

use crate::domain::{NewOrder, Order, State, Why};
use crate::storage::StorageError;

/// What the client of the shop is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    Completed(Order),
    /// Its outcome is open. It will be settled.
    Pending(Order),
    /// The provider said no.
    Declined(Order),
    /// It failed, nothing was charged, and it may be tried again under the same id.
    Unavailable {
        order: Order,
        retry_after: Option<Duration>,
    },
    NoQuota,
    /// The id belongs to another order.
    Conflict,
    Invalid(String),
    Storage(StorageError),
}

impl Reply {
    /// What the row says.
    pub fn of(order: Order, retry_after: Option<Duration>) -> Self {
        match order.state {
            State::Completed { .. } => Self::Completed(order),
            State::Pending(_) | State::Voiding(_) => Self::Pending(order),
            State::Failed(Why::Declined) => Self::Declined(order),
            State::Failed(_) => Self::Unavailable { order, retry_after },
        }
    }

    pub const fn status(&self) -> u16 {
        match self {
            Self::Completed(_) => 201,
            Self::Pending(_) => 202,
            Self::Declined(_) => 402,
            Self::NoQuota => 403,
            Self::Conflict => 409,
            Self::Invalid(_) => 422,
            Self::Unavailable { .. } | Self::Storage(_) => 503,
        }
    }

    /// Whether sending it again may lead to something else.
    pub const fn may_be_tried_again(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Storage(_))
    }
}

/// Whether `order` is what `new` orders: the same id with anything else different is a mistake.
pub(super) fn is_same(order: &Order, new: &NewOrder) -> bool {
    (&order.customer, order.cents, order.units) == (&new.customer, new.cents, new.units)
}
