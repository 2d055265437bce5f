//! Finds orders that were left PENDING, asks the provider, and settles them. The outbox brings each order here when it has
//! been open for too long, and again until it is settled.

use std::time::Duration;

use tokio::time::timeout;

use super::callback::news;
use super::shop::Shop;
use crate::domain::{Key, News, Order, Provider, State};
use crate::gateway::{Found, PayError, Wire};
use crate::gauge::observed;
use crate::storage::{Storage, StorageError, Told};

/// The sweep did not settle an order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unswept {
    #[error("the provider is still at work on it")]
    Processing,
    #[error("the provider did not say: {0}")]
    Provider(#[from] PayError),
    #[error("{0}")]
    Storage(#[from] StorageError),
    /// For a person.
    #[error("{0}")]
    Contradiction(&'static str),
    #[error("no key of an order: {0:?}")]
    NoKey(String),
}

impl<W: Wire, S: Storage> Shop<W, S> {
    /// Settles the attempt of an order that `key` names, if it is still open.
    pub async fn sweep(&self, key: &str) -> Result<(), Unswept> {
        let key = Key::parse(key).ok_or_else(|| Unswept::NoKey(key.to_owned()))?;
        observed(async {
            let Some(order) = self.storage().order(&key.order).await? else { return Ok(()) };
            if order.state.is_final() || order.attempt != key.attempt {
                return Ok(());
            }
            let result = self.settle(&order).await;
            if let Err(Unswept::Contradiction(why)) = result {
                self.storage().list_for_a_person(&order.id, why).await?;
            }
            result
        })
        .await
    }

    async fn settle(&self, order: &Order) -> Result<(), Unswept> {
        let key = Key::of(order);
        match order.state {
            State::Pending(None) => self.tell(&key, &News::LeftUnsent).await,
            State::Pending(Some(at)) => {
                let client = self.inside.gateway.client(at);
                match self.within(client.find(&key)).await? {
                    Found::Processing => Err(Unswept::Processing),
                    // Not found is not "will not arrive": only a void makes sure.
                    Found::NotFound => self.void(&key, at).await,
                    found => match news(at, found) {
                        Some(news) => self.tell(&key, &news).await,
                        None => Err(Unswept::Processing),
                    },
                }
            }
            State::Voiding(at) => self.void(&key, at).await,
            State::Completed { .. } | State::Failed(_) => Ok(()),
        }
    }

    /// Writes down that it voids, voids, and writes down that it did.
    async fn void(&self, key: &Key, at: Provider) -> Result<(), Unswept> {
        let told = self.inside.journal.tell(key, &News::Voiding(at), "sweep").await?;
        if !told.stands() {
            // Somebody was faster. If it is still open, the sweep comes again.
            return match told.order() {
                Some(order) if !order.state.is_final() => Err(Unswept::Processing),
                _ => Ok(()),
            };
        }
        self.within(self.inside.gateway.client(at).void(key)).await?;
        self.tell(key, &News::Voided { at }).await
    }

    async fn tell(&self, key: &Key, news: &News) -> Result<(), Unswept> {
        match self.inside.journal.tell(key, news, "sweep").await? {
            Told::Contradiction(_, why) => Err(Unswept::Contradiction(why)),
            Told::Late(order) if !order.state.is_final() && order.attempt == key.attempt => Err(Unswept::Processing),
            _ => Ok(()),
        }
    }

    pub(super) async fn within<T>(&self, call: impl Future<Output = Result<T, PayError>>) -> Result<T, PayError> {
        let limit: Duration = self.inside.numbers.question;
        timeout(limit, call).await.unwrap_or(Err(PayError::unclear("timeout")))
    }
}
