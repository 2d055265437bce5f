//! Two other orders of the call and the transaction, for comparison. Neither is this program's way, which is by state.

use tokio::time::timeout;

use super::reply::Reply;
use super::shop::Shop;
use crate::domain::{Key, NewOrder, Order, Provider, State, Why};
use crate::gateway::{Answer, Charge, Wire};
use crate::gauge::observed;
use crate::storage::{Change, Changed, Placed, Storage, StorageError};

impl<W: Wire, S: Storage> Shop<W, S> {
    /// The call, and then one transaction: a crash between them leaves a charge without an order, and so does a quota that
    /// turns out not to suffice.
    pub async fn place_after_the_call(&self, new: NewOrder) -> Reply {
        observed(async {
            let mut change = Change::new_order(&new, self.inside.numbers.sweep_after);
            change.sweep = None;
            let state = match self.call_once(&change.after).await {
                Some(Answer::Charged { at, receipt, .. }) => State::Completed { at, receipt },
                Some(Answer::Declined { .. }) => State::Failed(Why::Declined),
                Some(Answer::Processing { .. }) | None => State::Failed(Why::Unavailable),
            };
            change.after.state = state;
            let change = change.told();
            match self.storage().place(&change).await {
                Ok(Placed::New) => Reply::of(change.after, None),
                Ok(Placed::Known(order)) => Reply::of(order, None),
                Ok(Placed::NoQuota) => Reply::NoQuota,
                Err(error) => Reply::Storage(error),
            }
        })
        .await
    }

    /// One transaction that says that the order is completed, and then the call: a crash between them leaves an order that
    /// was never charged.
    pub async fn place_before_the_call(&self, new: NewOrder) -> Reply {
        observed(async { self.before_the_call(new).await.unwrap_or_else(Reply::Storage) }).await
    }

    async fn before_the_call(&self, new: NewOrder) -> Result<Reply, StorageError> {
        let mut change = Change::new_order(&new, self.inside.numbers.sweep_after);
        change.sweep = None;
        change.after.state = State::Completed { at: Provider::Alpha, receipt: String::new() };
        let change = change.told();
        let order = match self.storage().place(&change).await? {
            Placed::New => change.after,
            Placed::Known(order) => return Ok(Reply::of(order, None)),
            Placed::NoQuota => return Ok(Reply::NoQuota),
        };
        if let Some(Answer::Charged { .. }) = self.call_once(&order).await {
            return Ok(Reply::Completed(order));
        }
        let change =
            Change::of(order, State::Failed(Why::Declined), "undone".to_owned(), self.inside.numbers.sweep_after);
        match self.storage().change(&change).await? {
            Changed::Done => Ok(Reply::Declined(change.after)),
            Changed::Stale | Changed::NoQuota => Ok(Reply::Pending(change.after)),
        }
    }

    async fn call_once(&self, order: &Order) -> Option<Answer> {
        let charge = Charge { key: Key::of(order), cents: order.cents };
        let asked = self.inside.gateway.client(Provider::Alpha).charge(charge);
        timeout(self.inside.numbers.attempt, asked).await.ok()?.ok()
    }
}
