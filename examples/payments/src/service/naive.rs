//! The same service without the library: a timeout, a few retries, then the other provider, under keys that are drawn in the
//! call. It is what is written first, and what goes wrong with it is what the rest of this program is for.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::events::Delivery;
use super::reply::Reply;
use super::shop::Shop;
use crate::domain::{Event, Key, NewOrder, Order, Provider, State, Why};
use crate::gateway::{Answer, Charge, Wire};
use crate::gauge::observed;
use crate::storage::{Change, Placed, Storage, StorageError};

impl<W: Wire, S: Storage> Shop<W, S> {
    /// Takes an order as one would at first. Events are published after the commit, once.
    pub async fn place_naively(&self, new: NewOrder, delivery: impl Delivery) -> Reply {
        if let Err(what) = new.check() {
            return Reply::Invalid(what);
        }
        observed(async { self.naive(new, delivery).await.unwrap_or_else(Reply::Storage) }).await
    }

    async fn naive(&self, new: NewOrder, delivery: impl Delivery) -> Result<Reply, StorageError> {
        let change = without_messages(Change::new_order(&new, self.inside.numbers.sweep_after));
        let mut order = match self.storage().place(&change).await? {
            Placed::New => change.after,
            // The client asks again: it is told what the row says.
            Placed::Known(order) => return Ok(Reply::of(order, None)),
            Placed::NoQuota => return Ok(Reply::NoQuota),
        };
        publish(&delivery, &order).await;
        let before = order.clone();
        let state = match self.try_everything(&mut order).await {
            Some(Answer::Charged { at, receipt, .. }) => State::Completed { at, receipt },
            Some(_) => State::Failed(Why::Declined),
            None => State::Failed(Why::Unavailable),
        };
        let line = format!("naive, after {} keys: {state}", order.attempt);
        let change = Change::of(order, state, line, self.inside.numbers.sweep_after);
        let change = without_messages(Change { before: Some(before), ..change });
        self.storage().change(&change).await?;
        publish(&delivery, &change.after).await;
        Ok(Reply::of(change.after, None))
    }

    async fn try_everything(&self, order: &mut Order) -> Option<Answer> {
        let mut tries = 0;
        for provider in Provider::ALL {
            for _ in 0..self.inside.numbers.attempts {
                tries += 1;
                order.attempt = tries;
                let charge = Charge { key: Key::of(order), cents: order.cents };
                let asked = self.inside.gateway.client(provider).charge(charge);
                match timeout(self.inside.numbers.attempt, asked).await {
                    Ok(Ok(answer)) => return Some(answer),
                    Ok(Err(_)) | Err(_) => sleep(Duration::from_millis(100)).await,
                }
            }
        }
        None
    }
}

fn without_messages(change: Change) -> Change {
    Change { event: None, sweep: None, ..change }
}

/// What is lost here, nobody knows of.
async fn publish(delivery: &impl Delivery, order: &Order) {
    let event = Event::of(order);
    let body = serde_json::to_vec(&event).unwrap_or_default();
    let _ = timeout(Duration::from_secs(1), delivery.deliver(&event.id(), &body)).await;
}
