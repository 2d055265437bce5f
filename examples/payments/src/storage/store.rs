use windbreak::outbox::Store;

use super::change::Change;
use super::error::StorageError;
use crate::domain::{Order, Provider};

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    Done,
    /// The order is of another version by now: nothing was written.
    Stale,
    /// The customer's quota does not suffice: nothing was written.
    NoQuota,
}

/// What became of a new order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placed {
    New,
    /// The id is known; this is its order.
    Known(Order),
    NoQuota,
}

/// A charge that failed for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    pub number: i64,
    /// The key of the charge.
    pub key: String,
    pub what: String,
    pub must_be_verified: bool,
    /// What became of it. `None` while nobody has seen to it.
    pub end: Option<String>,
}

/// A callback, as it came, and what was made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    pub from: Provider,
    pub body: String,
    pub end: String,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quota {
    pub customer: String,
    pub most: i64,
    pub used: i64,
}

type Done<T> = Result<T, StorageError>;

/// A database. No method keeps a connection beyond its own end, and each that writes is one transaction.
pub trait Storage: Clone + Send + Sync + 'static {
    /// An outbox that stands in the same database.
    type Outbox: Store + Clone + 'static;

    /// What the rest of the company is told.
    fn events(&self) -> Self::Outbox;
    /// What the sweep has to look at.
    fn sweeps(&self) -> Self::Outbox;

    /// Writes a new order, takes its quota, and writes its messages.
    fn place(&self, change: &Change) -> impl Future<Output = Done<Placed>> + Send;

    /// Changes an order, if it is still of the version that `change` begins with.
    fn change(&self, change: &Change) -> impl Future<Output = Done<Changed>> + Send;

    fn order(&self, id: &str) -> impl Future<Output = Done<Option<Order>>> + Send;
    fn orders(&self) -> impl Future<Output = Done<Vec<Order>>> + Send;

    /// How many orders are in each state.
    fn states(&self) -> impl Future<Output = Done<Vec<(String, i64)>>> + Send;

    /// Adds a line to the history of an order, which changes nothing else.
    fn note(&self, id: &str, line: &str) -> impl Future<Output = Done<()>> + Send;
    fn history(&self, id: &str) -> impl Future<Output = Done<Vec<String>>> + Send;

    fn quotas(&self) -> impl Future<Output = Done<Vec<Quota>>> + Send;
    fn set_quota(&self, customer: &str, most: i64) -> impl Future<Output = Done<()>> + Send;

    fn keep_letter(&self, key: &str, what: &str, must_be_verified: bool) -> impl Future<Output = Done<()>> + Send;
    /// Those that nobody has seen to.
    fn open_letters(&self) -> impl Future<Output = Done<Vec<Letter>>> + Send;
    fn end_letter(&self, number: i64, end: &str) -> impl Future<Output = Done<()>> + Send;

    fn record(&self, callback: &Recorded) -> impl Future<Output = Done<()>> + Send;
    fn recorded(&self) -> impl Future<Output = Done<Vec<Recorded>>> + Send;

    /// Puts an order before a person. The same reason stands there once.
    fn list_for_a_person(&self, id: &str, reason: &str) -> impl Future<Output = Done<()>> + Send;
    fn for_a_person(&self) -> impl Future<Output = Done<Vec<(String, String)>>> + Send;

    fn set_switch(&self, name: &str, value: &str) -> impl Future<Output = Done<()>> + Send;
    fn switches(&self) -> impl Future<Output = Done<Vec<(String, String)>>> + Send;
}
