//! The same service without the library: a timeout, a few retries, then the other provider. It is what is written first, and
//! what goes wrong with it is what the rest of this program is for.

use std::time::Duration;

use tokio::time::timeout;

use super::reply::Reply;
use super::shop::Shop;
use crate::domain::{Key, NewOrder, Order, Provider, State, Why};
use crate::gateway::{Answer, Charge, Wire};
use crate::gauge::observed;
use crate::storage::{Change, Placed, Storage, StorageError};

impl<W: Wire, S: Storage> Shop<W, S> {
    /// Takes an order as one would at first.
    pub async fn place_naively(&self, new: NewOrder) -> Reply {
        if let Err(what) = new.check() {
            return Reply::Invalid(what);
        }
        observed(async { self.naive(new).await.unwrap_or_else(Reply::Storage) }).await
    }

    async fn naive(&self, new: NewOrder) -> Result<Reply, StorageError> {
        let change = Change::new_order(&new, self.inside.numbers.sweep_after);
        let order = match self.storage().place(&change).await? {
            Placed::New => change.after,
            // The client asks again: it is told what the row says.
            Placed::Known(order) => return Ok(Reply::of(order, None)),
            Placed::NoQuota => return Ok(Reply::NoQuota),
        };
        let state = match self.try_everything(&order).await {
            Some(Answer::Charged { at, receipt, .. }) => State::Completed { at, receipt },
            Some(_) => State::Failed(Why::Declined),
            None => State::Failed(Why::Unavailable),
        };
        let change = Change::of(order, state, "naive".to_owned(), self.inside.numbers.sweep_after);
        self.storage().change(&change).await?;
        Ok(Reply::of(change.after, None))
    }

    async fn try_everything(&self, order: &Order) -> Option<Answer> {
        for provider in Provider::ALL {
            for _ in 0..self.inside.numbers.attempts {
                let charge = Charge { key: Key::of(order), cents: order.cents };
                let asked = self.inside.gateway.client(provider).charge(charge);
                match timeout(self.inside.numbers.attempt, asked).await {
                    Ok(Ok(answer)) => return Some(answer),
                    Ok(Err(_)) | Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                }
            }
        }
        None
    }
}
