//! Those who order: in the simulation and over HTTP alike.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::{sleep, timeout};

use crate::audit::Promise;
use crate::domain::NewOrder;

/// Where orders are given.
pub trait Counter: Clone + Send + Sync + 'static {
    /// `None` if nothing comes back.
    fn order(&self, new: NewOrder) -> impl Future<Output = Option<Answered>> + Send;
}

/// What came back.
#[derive(Debug, Clone, Copy)]
pub struct Answered {
    pub status: u16,
    pub retry_after: Option<Duration>,
}

/// What the clients were told last, by order.
#[derive(Debug, Clone, Default)]
pub struct Promises(Arc<Mutex<Told>>);

#[derive(Debug, Default)]
struct Told {
    promises: BTreeMap<String, Promise>,
    statuses: BTreeMap<u16, u32>,
}

impl Promises {
    fn tell(&self, order: &str, status: u16) {
        let mut told = self.told();
        *told.statuses.entry(status).or_default() += 1;
        let promise = match status {
            200 | 201 => Promise::Completed,
            202 => Promise::Pending,
            402 => Promise::Declined,
            _ => return,
        };
        told.promises.insert(order.to_owned(), promise);
    }

    pub fn all(&self) -> BTreeMap<String, Promise> {
        self.told().promises.clone()
    }

    /// How many requests were answered with each status.
    pub fn statuses(&self) -> BTreeMap<u16, u32> {
        self.told().statuses.clone()
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many customers there are.
pub const CUSTOMERS: u32 = 5;

/// Enough for about nine in ten of what is ordered.
pub fn quota(orders: u32) -> i64 {
    i64::from(orders) * 2 / i64::from(CUSTOMERS) * 9 / 10 + 4
}

/// The `index`-th order of a run.
pub fn order(index: u32, rng: &mut SmallRng) -> NewOrder {
    NewOrder {
        id: format!("o{index}"),
        customer: format!("c{}", rng.random_range(0..CUSTOMERS)),
        cents: rng.random_range(100..50_000),
        units: rng.random_range(1..4),
    }
}

/// Orders, and orders again under the same id while it hears nothing, or that it may.
pub async fn client(counter: impl Counter, new: NewOrder, seed: u64, promises: Promises) {
    let mut rng = SmallRng::seed_from_u64(seed);
    let patience = Duration::from_secs(rng.random_range(1..12));
    for tries in 1..=8 {
        let Ok(Some(answered)) = timeout(patience, counter.order(new.clone())).await else {
            // Nothing came back: it asks again.
            sleep(Duration::from_millis(rng.random_range(50..1_000))).await;
            continue;
        };
        promises.tell(&new.id, answered.status);
        if answered.status != 503 || tries >= 4 {
            return;
        }
        let wait = answered.retry_after.unwrap_or(Duration::from_millis(300));
        sleep(wait + Duration::from_millis(rng.random_range(0..300))).await;
    }
}
