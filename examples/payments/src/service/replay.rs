//! Replays dead letters: charges that failed for good. What is not certain is verified first.

use serde::Serialize;

use super::place::Written;
use super::reply::Reply;
use super::shop::Shop;
use crate::domain::{Key, Provider, State, Why};
use crate::gateway::{Found, Wire};
use crate::gauge::observed;
use crate::storage::{Storage, StorageError};

/// What became of the letters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// Charged now, under a new key.
    pub completed: usize,
    /// Found settled: nothing was left to do.
    pub settled: usize,
    /// Sent again, and failed again.
    pub failed: usize,
    /// Not certain even now: they stay.
    pub left: usize,
}

impl<W: Wire, S: Storage> Shop<W, S> {
    /// Sees to all open letters. Whoever calls it has the customers' consent.
    pub async fn replay(&self) -> Result<Replayed, StorageError> {
        let mut replayed = Replayed::default();
        for letter in self.storage().open_letters().await? {
            let end = match Key::parse(&letter.key) {
                Some(key) => self.replay_one(&key, &mut replayed).await?,
                None => Some("no key of an order".to_owned()),
            };
            match end {
                Some(end) => self.storage().end_letter(letter.number, &end).await?,
                None => replayed.left += 1,
            }
        }
        Ok(replayed)
    }

    /// What became of it. `None` if the letter stays.
    async fn replay_one(&self, key: &Key, replayed: &mut Replayed) -> Result<Option<String>, StorageError> {
        let Some(order) = self.storage().order(&key.order).await? else { return Ok(Some("unknown order".to_owned())) };
        if order.attempt == key.attempt && !order.state.is_final() && self.sweep(&key.to_string()).await.is_err() {
            return Ok(None);
        }
        let Some(order) = self.storage().order(&key.order).await? else { return Ok(None) };
        match order.state {
            State::Failed(why) if order.attempt == key.attempt && why != Why::Declined => {}
            _ => {
                replayed.settled += 1;
                return Ok(Some(format!("settled: {}", order.state)));
            }
        }
        if !observed(self.stands_nowhere(key)).await? {
            return Ok(None);
        }
        let reopened = Written::Again(order);
        Ok(Some(match self.pay(reopened).await {
            Reply::Completed(order) => {
                replayed.completed += 1;
                format!("replayed: {}", order.state)
            }
            Reply::Pending(order) => {
                replayed.settled += 1;
                format!("replayed: {}", order.state)
            }
            Reply::Storage(_) => return Ok(None),
            reply => {
                replayed.failed += 1;
                format!("replayed: {}", reply.status())
            }
        }))
    }

    /// Asks both providers. What stands there although the order failed is put before a person.
    async fn stands_nowhere(&self, key: &Key) -> Result<bool, StorageError> {
        for provider in Provider::ALL {
            match self.within(self.inside.gateway.client(provider).find(key)).await {
                Ok(Found::NotFound | Found::Closed | Found::Declined) => {}
                Ok(Found::Charged { .. } | Found::Processing) => {
                    let reason = format!("{key} stands at {provider}, and the order failed");
                    self.storage().list_for_a_person(&key.order, &reason).await?;
                    return Ok(false);
                }
                Err(_) => return Ok(false),
            }
        }
        Ok(true)
    }
}
