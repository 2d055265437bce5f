//! All in memory, for the simulation. Each method takes a moment before and after it acts, so that a crash can come between.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::sleep;
use windbreak::outbox::{MemoryStore, Store as _};

use super::change::Change;
use super::error::StorageError;
use super::store::{Changed, Letter, Placed, Quota, Recorded, Storage};
use crate::domain::Order;
use crate::gauge::holding;

/// How unwell the database is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Trouble {
    /// The share of transactions that fail, and write nothing.
    pub fails: f64,
    /// The share of transactions that are written, and whose caller hears that the connection broke.
    pub answer_lost: f64,
}

#[derive(Debug, Clone)]
pub struct Memory {
    inside: Arc<Mutex<Inside>>,
    events: MemoryStore,
    sweeps: MemoryStore,
}

#[derive(Debug)]
struct Inside {
    tables: Tables,
    trouble: Trouble,
    rng: SmallRng,
}

#[derive(Debug, Default)]
struct Tables {
    orders: BTreeMap<String, Order>,
    history: BTreeMap<String, Vec<String>>,
    quotas: BTreeMap<String, (i64, i64)>,
    letters: Vec<Letter>,
    callbacks: Vec<Recorded>,
    for_a_person: Vec<(String, String)>,
    switches: BTreeMap<String, String>,
}

impl Memory {
    pub fn new(seed: u64) -> Self {
        let inside =
            Inside { tables: Tables::default(), trouble: Trouble::default(), rng: SmallRng::seed_from_u64(seed) };
        Self { inside: Arc::new(Mutex::new(inside)), events: MemoryStore::new(), sweeps: MemoryStore::new() }
    }

    pub fn set_trouble(&self, trouble: Trouble) {
        self.inside().trouble = trouble;
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A transaction: all of `act`, or nothing of it. What it returns goes back to the caller, if that still lives.
    async fn transact<T>(&self, act: impl FnOnce(&mut Tables) -> T) -> Result<T, StorageError> {
        let _held = holding();
        let (before, after, fails, loses) = {
            let mut inside = self.inside();
            let trouble = inside.trouble;
            let rng = &mut inside.rng;
            let mut pause = || Duration::from_micros(rng.random_range(0..1_500));
            let (before, after) = (pause(), pause());
            (before, after, rng.random_bool(trouble.fails), rng.random_bool(trouble.answer_lost))
        };
        sleep(before).await;
        if fails {
            return Err(StorageError::Locked("the simulation".to_owned()));
        }
        let result = act(&mut self.inside().tables);
        sleep(after).await;
        if loses { Err(StorageError::Lost("the simulation".to_owned())) } else { Ok(result) }
    }

    /// The messages of a change. The lock of the tables is held, and nothing is awaited: it is one transaction.
    fn send(&self, change: &Change) {
        for (outbox, message) in [(&self.events, &change.event), (&self.sweeps, &change.sweep)] {
            let Some(message) = message else { continue };
            let insert = pin!(outbox.insert(message));
            match insert.poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(result) => result.expect("each message is written once"),
                Poll::Pending => unreachable!("the memory is always ready"),
            }
        }
    }
}

impl Tables {
    /// Takes or gives back quota. `false` if it does not suffice.
    fn take(&mut self, customer: &str, units: i64) -> bool {
        let (most, used) = self.quotas.entry(customer.to_owned()).or_default();
        let fits = *used + units <= *most || units <= 0;
        if fits {
            *used += units;
        }
        fits
    }

    fn write(&mut self, change: &Change) {
        let id = &change.after.id;
        self.orders.insert(id.clone(), change.after.clone());
        self.history.entry(id.clone()).or_default().push(change.line.clone());
    }
}

impl Storage for Memory {
    type Outbox = MemoryStore;

    fn events(&self) -> MemoryStore {
        self.events.clone()
    }

    fn sweeps(&self) -> MemoryStore {
        self.sweeps.clone()
    }

    async fn place(&self, change: &Change) -> Result<Placed, StorageError> {
        self.transact(|tables| {
            if let Some(order) = tables.orders.get(&change.after.id) {
                return Placed::Known(order.clone());
            }
            if !tables.take(&change.after.customer, change.quota()) {
                return Placed::NoQuota;
            }
            tables.write(change);
            self.send(change);
            Placed::New
        })
        .await
    }

    async fn change(&self, change: &Change) -> Result<Changed, StorageError> {
        self.transact(|tables| {
            if tables.orders.get(&change.after.id) != change.before.as_ref() {
                return Changed::Stale;
            }
            if !tables.take(&change.after.customer, change.quota()) {
                return Changed::NoQuota;
            }
            tables.write(change);
            self.send(change);
            Changed::Done
        })
        .await
    }

    async fn order(&self, id: &str) -> Result<Option<Order>, StorageError> {
        self.transact(|tables| tables.orders.get(id).cloned()).await
    }

    async fn orders(&self) -> Result<Vec<Order>, StorageError> {
        self.transact(|tables| tables.orders.values().cloned().collect()).await
    }

    async fn states(&self) -> Result<Vec<(String, i64)>, StorageError> {
        self.transact(|tables| {
            let mut states = BTreeMap::new();
            for order in tables.orders.values() {
                let state = order.state.to_string();
                *states.entry(state.split([' ', ':']).next().unwrap_or_default().to_owned()).or_default() += 1;
            }
            states.into_iter().collect()
        })
        .await
    }

    async fn note(&self, id: &str, line: &str) -> Result<(), StorageError> {
        self.transact(|tables| tables.history.entry(id.to_owned()).or_default().push(line.to_owned())).await
    }

    async fn history(&self, id: &str) -> Result<Vec<String>, StorageError> {
        self.transact(|tables| tables.history.get(id).cloned().unwrap_or_default()).await
    }

    async fn quotas(&self) -> Result<Vec<Quota>, StorageError> {
        self.transact(|tables| {
            let quota = |(customer, (most, used)): (&String, &(i64, i64))| Quota {
                customer: customer.clone(),
                most: *most,
                used: *used,
            };
            tables.quotas.iter().map(quota).collect()
        })
        .await
    }

    async fn set_quota(&self, customer: &str, most: i64) -> Result<(), StorageError> {
        self.transact(|tables| tables.quotas.entry(customer.to_owned()).or_default().0 = most).await
    }

    async fn keep_letter(&self, key: &str, what: &str, must_be_verified: bool) -> Result<(), StorageError> {
        self.transact(|tables| {
            let number = i64::try_from(tables.letters.len()).expect("a small number") + 1;
            let (key, what) = (key.to_owned(), what.to_owned());
            tables.letters.push(Letter { number, key, what, must_be_verified, end: None });
        })
        .await
    }

    async fn open_letters(&self) -> Result<Vec<Letter>, StorageError> {
        self.transact(|tables| tables.letters.iter().filter(|letter| letter.end.is_none()).cloned().collect()).await
    }

    async fn end_letter(&self, number: i64, end: &str) -> Result<(), StorageError> {
        self.transact(|tables| {
            if let Some(letter) = tables.letters.iter_mut().find(|letter| letter.number == number) {
                letter.end = Some(end.to_owned());
            }
        })
        .await
    }

    async fn record(&self, callback: &Recorded) -> Result<(), StorageError> {
        self.transact(|tables| tables.callbacks.push(callback.clone())).await
    }

    async fn recorded(&self) -> Result<Vec<Recorded>, StorageError> {
        self.transact(|tables| tables.callbacks.clone()).await
    }

    async fn list_for_a_person(&self, id: &str, reason: &str) -> Result<(), StorageError> {
        self.transact(|tables| {
            let row = (id.to_owned(), reason.to_owned());
            if !tables.for_a_person.contains(&row) {
                tables.for_a_person.push(row);
            }
        })
        .await
    }

    async fn for_a_person(&self) -> Result<Vec<(String, String)>, StorageError> {
        self.transact(|tables| tables.for_a_person.clone()).await
    }

    async fn set_switch(&self, name: &str, value: &str) -> Result<(), StorageError> {
        self.transact(|tables| tables.switches.insert(name.to_owned(), value.to_owned())).await.map(|_| ())
    }

    async fn switches(&self) -> Result<Vec<(String, String)>, StorageError> {
        self.transact(|tables| tables.switches.clone().into_iter().collect()).await
    }
}
