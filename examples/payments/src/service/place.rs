use std::sync::{Arc, OnceLock};

use windbreak::saga::{Cause, Saga};
use windbreak::{Effect, Error};

use super::reply::{Reply, is_same};
use super::shop::Shop;
use crate::domain::{Key, NewOrder, News, Order};
use crate::gateway::{Charge, PayError, Wire, effect};
use crate::gauge::observed;
use crate::storage::{Change, Placed, Storage, StorageError, Told};

/// Why a step of the saga failed.
#[derive(Debug, thiserror::Error)]
enum No {
    #[error("nothing was written")]
    Reply(Box<Reply>),
    /// The order failed for certain.
    #[error("{0}")]
    Failed(String),
}

impl No {
    fn reply(reply: Reply) -> Self {
        Self::Reply(Box::new(reply))
    }
}

/// What the first transaction writes.
pub(super) enum Written {
    New(NewOrder),
    /// An order that failed, which is to be tried again.
    Again(Order),
}

impl Written {
    fn id(&self) -> &str {
        match self {
            Self::New(new) => &new.id,
            Self::Again(order) => &order.id,
        }
    }
}

impl<W: Wire, S: Storage> Shop<W, S> {
    /// Takes an order: writes it down with its quota, charges it, and writes down what came of that.
    ///
    /// It goes on when the caller is gone: it runs in a task of its own. A crash ends it anywhere, and the sweep takes it
    /// from there.
    pub async fn place(&self, new: NewOrder) -> Reply {
        if let Err(what) = new.check() {
            return Reply::Invalid(what);
        }
        self.pay(Written::New(new)).await
    }

    /// The whole way of an order, from its first transaction to its last.
    pub(super) async fn pay(&self, order: Written) -> Reply {
        observed(self.order(order)).await
    }

    async fn order(&self, order: Written) -> Reply {
        // What is certain of an order that failed. The undo writes it down; where nothing is, as after a panic in the call, the
        // order stays PENDING for the sweep.
        let certain: Arc<OnceLock<News>> = Arc::default();
        // Dropped on the way, the order stays PENDING: its undos must not run, because its effect is unknown.
        let mut saga = Saga::new("order").on_drop(drop);

        // Transaction 1: order, quota and messages.
        let written = saga
            .step("quota", self.write_down(&order))
            .note(order.id().to_owned())
            .effect_of(|_| Effect::NotApplied)
            .undo({
                let (this, certain) = (self.clone(), Arc::clone(&certain));
                move |order| {
                    let (this, certain) = (this.clone(), Arc::clone(&certain));
                    async move {
                        match certain.get() {
                            Some(news) => this.give_back(order, news).await,
                            None => Ok(()),
                        }
                    }
                }
            })
            .await;
        let order = match written {
            Ok(order) => order,
            Err(error) => {
                return match error.cause {
                    Cause::Failed(No::Reply(reply)) => *reply,
                    cause => Reply::Storage(StorageError::Other(cause.to_string())),
                };
            }
        };

        // No transaction: the call.
        let key = Key::of(&order);
        let mut retry_after = None;
        let charged = saga
            .step("charge", self.charge(&order, &certain, &mut retry_after))
            .effect_of(|_| Effect::NotApplied)
            .nothing_to_undo()
            .await;

        // Transaction 2: what came of it. Where it failed for certain, the saga has given the quota back.
        let told = match charged {
            Ok(news) => {
                saga.pivot();
                match news {
                    Some(news) => self.inside.journal.tell(&key, &news, "answer").await,
                    None => self.inside.journal.storage().order(&order.id).await.map(known),
                }
            }
            Err(_) => self.inside.journal.storage().order(&order.id).await.map(known),
        };
        let _ = saga.finish();
        match told.map(Told::order) {
            Ok(Some(order)) => Reply::of(order, retry_after),
            // The sweep finds it.
            Ok(None) | Err(_) => Reply::Pending(order),
        }
    }

    async fn write_down(&self, order: &Written) -> Result<Order, No> {
        match order {
            Written::New(new) => self.write_new(new).await,
            Written::Again(order) => self.write_again(order, "replay").await,
        }
    }

    async fn write_new(&self, new: &NewOrder) -> Result<Order, No> {
        let journal = &self.inside.journal;
        let change = Change::new_order(new, journal.sweep_after());
        let no = |reply| Err(No::reply(reply));
        match journal.storage().place(&change).await {
            Ok(Placed::New) => Ok(change.after),
            Ok(Placed::NoQuota) => no(Reply::NoQuota),
            Ok(Placed::Known(order)) if !is_same(&order, new) => no(Reply::Conflict),
            // It failed, and was certainly not charged: the client tries again.
            Ok(Placed::Known(order)) => self.write_again(&order, "client").await,
            Err(error) => no(Reply::Storage(error)),
        }
    }

    /// Another attempt, under a new key, if the row says that this may be.
    async fn write_again(&self, order: &Order, by: &str) -> Result<Order, No> {
        match self.inside.journal.tell(&Key::of(order), &News::TryAgain, by).await {
            Ok(Told::Changed(order)) => Ok(order),
            Ok(Told::NoQuota(_)) => Err(No::reply(Reply::NoQuota)),
            Ok(told) => Err(No::reply(Reply::of(told.order().unwrap_or_else(|| order.clone()), None))),
            Err(error) => Err(No::reply(Reply::Storage(error))),
        }
    }

    /// What became of it, if that is known. It fails only where it is certain that nothing is charged.
    async fn charge(
        &self,
        order: &Order,
        certain: &OnceLock<News>,
        retry_after: &mut Option<std::time::Duration>,
    ) -> Result<Option<News>, No> {
        let charge = Charge { key: Key::of(order), cents: order.cents };
        match self.inside.gateway.charge(charge).await {
            Ok(answer) => match answer.news() {
                Some(declined @ News::Declined { .. }) => {
                    let _ = certain.set(declined);
                    Err(No::Failed("declined".to_owned()))
                }
                news => Ok(news),
            },
            Err(error) if effect(&error) == Effect::NotApplied => {
                let _ = certain.set(News::NothingApplied);
                *retry_after = Error::<PayError>::retry_after(&error);
                Err(No::Failed(error.to_string()))
            }
            // It stays PENDING, for the callback or the sweep.
            Err(_) => Ok(None),
        }
    }

    /// Gives the quota back with the state, in one transaction: so it is given back once, whoever else does it too.
    async fn give_back(&self, order: Order, news: &News) -> Result<(), StorageError> {
        self.inside.journal.tell(&Key::of(&order), news, "saga").await.map(|_| ())
    }
}

fn known(order: Option<Order>) -> Told {
    order.map_or(Told::UnknownOrder, Told::Known)
}
