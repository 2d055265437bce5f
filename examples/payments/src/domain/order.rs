use std::fmt;

use serde::{Deserialize, Serialize};

use super::provider::Provider;

/// What a client orders. The id is the client's: sent twice, it is one order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewOrder {
    pub id: String,
    pub customer: String,
    pub cents: u64,
    /// What it uses of the customer's quota.
    pub units: u32,
}

/// The longest id, and the longest name of a customer: both stand in keys, URLs and events.
const MAX_ID: usize = 64;

/// Whether it can be the id of an order.
pub fn is_id(text: &str) -> bool {
    (1..=MAX_ID).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// A hundred thousand: above it somebody has mistaken the unit.
const MAX_CENTS: u64 = 10_000_000;

impl NewOrder {
    /// Names the field, its value and the bound.
    pub fn check(&self) -> Result<(), String> {
        for (field, text) in [("id", &self.id), ("customer", &self.customer)] {
            if !is_id(text) {
                return Err(format!("`{field}` is {text:?}: it must be 1 to {MAX_ID} letters, digits or `-`"));
            }
        }
        if !(1..=MAX_CENTS).contains(&self.cents) {
            return Err(format!("`cents` is {}: it must be 1 to {MAX_CENTS}", self.cents));
        }
        if !(1..=100).contains(&self.units) {
            return Err(format!("`units` is {}: it must be 1 to 100", self.units));
        }
        Ok(())
    }
}

/// The row of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    pub id: String,
    pub customer: String,
    pub cents: u64,
    pub units: u32,
    pub state: State,
    /// Which attempt to pay it this is, from 1. Each has a key of its own.
    pub attempt: u32,
    /// Counts the changes. A change is made only of the version that was read.
    pub version: u64,
    /// How many events were written for it.
    pub events: u32,
}

/// Where an order stands. It holds its quota in every state but `Failed`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum State {
    /// Sent to this provider, or about to be. `None`: to none so far.
    Pending(Option<Provider>),
    /// A void is about to be sent, or was: nobody may call it paid any more.
    Voiding(Provider),
    Completed {
        at: Provider,
        receipt: String,
    },
    Failed(Why),
}

impl State {
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Completed { .. } | Self::Failed(_))
    }

    pub const fn holds_quota(&self) -> bool {
        !matches!(self, Self::Failed(_))
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pending(None) => f.write_str("PENDING"),
            Self::Pending(Some(at)) => write!(f, "PENDING at {at}"),
            Self::Voiding(at) => write!(f, "VOIDING at {at}"),
            Self::Completed { at, receipt } => write!(f, "COMPLETED at {at}, receipt {receipt}"),
            Self::Failed(why) => write!(f, "FAILED: {}", why.as_str()),
        }
    }
}

/// Why an order failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// The provider said no.
    Declined,
    /// No provider took it, and it is certain that none will.
    Unavailable,
    /// It was written down and never sent.
    NeverSent,
    /// The outcome was unknown, and it was voided.
    Voided,
}

impl Why {
    pub const ALL: [Self; 4] = [Self::Declined, Self::Unavailable, Self::NeverSent, Self::Voided];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Declined => "declined",
            Self::Unavailable => "unavailable",
            Self::NeverSent => "never sent",
            Self::Voided => "voided",
        }
    }

    /// Whether a further attempt, under a new key, may go better.
    pub const fn may_be_tried_again(self) -> bool {
        !matches!(self, Self::Declined)
    }
}

/// The idempotency key of one attempt to pay an order. Derived from the order, so that it is known before the call.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub order: String,
    pub attempt: u32,
}

impl Key {
    pub fn of(order: &Order) -> Self {
        Self { order: order.id.clone(), attempt: order.attempt }
    }

    /// `None` for a text that is no key of ours, to the letter: a provider knows no other by it.
    pub fn parse(text: &str) -> Option<Self> {
        let (order, attempt) = text.rsplit_once('.')?;
        let key = Self { order: order.to_owned(), attempt: attempt.parse().ok()? };
        (is_id(order) && key.to_string() == text).then_some(key)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.order, self.attempt)
    }
}
