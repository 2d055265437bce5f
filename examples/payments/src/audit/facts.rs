use std::collections::BTreeMap;

use windbreak::outbox::{ParkedHead, Store as _};

use crate::domain::{Event, Order, Provider};
use crate::provider::{Books, Calls};
use crate::receiver::Receiver;
use crate::storage::{Quota, Storage, StorageError};

/// What a client was told last of its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promise {
    Completed,
    Declined,
    /// In progress: it will be settled.
    Pending,
}

/// All that is to be compared.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    pub orders: Vec<Order>,
    pub quotas: Vec<Quota>,
    pub books: Vec<(Provider, Books)>,
    /// Each once, in the order in which they came.
    pub events: Vec<Event>,
    pub out_of_order: Vec<String>,
    /// Orders that are listed for a person: by hand, or because a message of theirs is parked.
    pub for_a_person: Vec<(String, String)>,
    /// Whether an outbox still has something to deliver.
    pub is_waiting: bool,
    pub calls: Calls,
    pub promises: BTreeMap<String, Promise>,
}

impl Facts {
    /// What the database says.
    pub async fn read<S: Storage>(storage: &S) -> Result<Self, StorageError> {
        let for_a_person = Self::parked(storage).await?;
        let is_waiting = Self::is_waiting(storage).await?;
        let (orders, quotas) = (storage.orders().await?, storage.quotas().await?);
        Ok(Self { orders, quotas, for_a_person, is_waiting, ..Self::default() })
    }

    /// What is before a person: the orders that are listed, and the messages that are parked.
    pub async fn parked<S: Storage>(storage: &S) -> Result<Vec<(String, String)>, StorageError> {
        let mut for_a_person = storage.for_a_person().await?;
        for outbox in [storage.events(), storage.sweeps()] {
            for parked in outbox.parked(0, MANY).await? {
                let id = parked.message.id;
                let order = id.rsplit_once(['.', '#']).map_or(id.as_str(), |(order, _)| order).to_owned();
                for_a_person.push((order, format!("message {id} is parked: {}", parked.reason)));
            }
        }
        Ok(for_a_person)
    }

    /// Whether an outbox still has something to deliver.
    pub async fn is_waiting<S: Storage>(storage: &S) -> Result<bool, StorageError> {
        for outbox in [storage.events(), storage.sweeps()] {
            if outbox.next_due(ParkedHead::Blocks).await?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    #[must_use]
    pub fn with_receiver(self, receiver: &Receiver) -> Self {
        Self { events: receiver.events(), out_of_order: receiver.out_of_order(), ..self }
    }
}

/// More than a person ever looks at.
const MANY: usize = 10_000;
