use std::time::Duration;

use super::change::Change;
use super::error::StorageError;
use super::store::{Changed, Storage};
use crate::domain::{Decision, Key, News, Order, decide};

/// Writes news down: reads the row, decides, and changes it if nobody was faster. Answer, callback and sweep may race.
#[derive(Debug, Clone)]
pub struct Journal<S> {
    storage: S,
    sweep_after: Duration,
}

/// What became of news.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    Changed(Order),
    Known(Order),
    Late(Order),
    Contradiction(Order, &'static str),
    /// There is no quota for another attempt.
    NoQuota(Order),
    UnknownOrder,
}

impl Told {
    /// Whether the row says what the news says.
    pub const fn stands(&self) -> bool {
        matches!(self, Self::Changed(_) | Self::Known(_))
    }

    pub fn order(self) -> Option<Order> {
        match self {
            Self::Changed(order)
            | Self::Known(order)
            | Self::Late(order)
            | Self::Contradiction(order, _)
            | Self::NoQuota(order) => Some(order),
            Self::UnknownOrder => None,
        }
    }
}

impl<S: Storage> Journal<S> {
    pub const fn new(storage: S, sweep_after: Duration) -> Self {
        Self { storage, sweep_after }
    }

    pub const fn storage(&self) -> &S {
        &self.storage
    }

    pub const fn sweep_after(&self) -> Duration {
        self.sweep_after
    }

    /// `by` says who heard it, for the history.
    pub async fn tell(&self, key: &Key, news: &News, by: &str) -> Result<Told, StorageError> {
        loop {
            let Some(order) = self.storage.order(&key.order).await? else { return Ok(Told::UnknownOrder) };
            let state = match decide(&order, key.attempt, news) {
                Decision::Set(state) => state,
                Decision::Known => return Ok(Told::Known(order)),
                Decision::Late => return Ok(Told::Late(order)),
                Decision::Contradiction(why) => {
                    let line = format!("{by}: {news} (attempt {}): rejected, {why}", key.attempt);
                    self.storage.note(&key.order, &line).await?;
                    return Ok(Told::Contradiction(order, why));
                }
            };
            let line = format!("{by}: {news} (attempt {}): {state}", key.attempt);
            let change = Change::of(order.clone(), state, line, self.sweep_after);
            match self.storage.change(&change).await? {
                Changed::Done => return Ok(Told::Changed(change.after)),
                Changed::NoQuota => return Ok(Told::NoQuota(order)),
                Changed::Stale => {}
            }
        }
    }
}
