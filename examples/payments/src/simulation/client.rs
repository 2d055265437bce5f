use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::{sleep, timeout};

use super::incarnation::Process;
use crate::audit::Promise;
use crate::domain::NewOrder;
use crate::service::Reply;

/// What the clients were told last, by order.
pub(super) type Promises = Arc<Mutex<BTreeMap<String, Promise>>>;

/// How many customers there are.
pub(super) const CUSTOMERS: u32 = 5;

/// The `index`-th order of a run.
pub(super) fn order(index: u32, rng: &mut SmallRng) -> NewOrder {
    NewOrder {
        id: format!("o{index}"),
        customer: format!("c{}", rng.random_range(0..CUSTOMERS)),
        cents: rng.random_range(100..50_000),
        units: rng.random_range(1..4),
    }
}

/// Orders, and orders again under the same id while it hears nothing, or that it may.
pub(super) async fn client(process: Process, new: NewOrder, seed: u64, promises: Promises) {
    let mut rng = SmallRng::seed_from_u64(seed);
    let patience = Duration::from_secs(rng.random_range(1..12));
    let mut tries = 0;
    loop {
        let order = new.clone();
        let asked = process.call(move |shop| async move { shop.place(order).await });
        let reply = match timeout(patience, asked).await {
            Ok(Some(reply)) => reply,
            // No response: it asks again, a few times.
            Ok(None) | Err(_) => {
                tries += 1;
                if tries > 8 {
                    return;
                }
                sleep(Duration::from_millis(rng.random_range(50..1_000))).await;
                continue;
            }
        };
        let promise = match &reply {
            Reply::Completed(_) => Some(Promise::Completed),
            Reply::Declined(_) => Some(Promise::Declined),
            Reply::Pending(_) => Some(Promise::Pending),
            _ => None,
        };
        if let Some(promise) = promise {
            promises.lock().unwrap_or_else(PoisonError::into_inner).insert(new.id.clone(), promise);
        }
        tries += 1;
        if !reply.may_be_tried_again() || tries > 4 {
            return;
        }
        let wait = match reply {
            Reply::Unavailable { retry_after: Some(wait), .. } => wait,
            _ => Duration::from_millis(300),
        };
        sleep(wait + Duration::from_millis(rng.random_range(0..300))).await;
    }
}
