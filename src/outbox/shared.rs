use std::sync::Arc;
use std::time::Duration;

use rand::rngs::SmallRng;

use super::error::StoreError;
use super::handle::RelayHandle;
use super::numbers::Numbers;
use crate::backoff::Waits;
use crate::deadline::{end_of, within};
use crate::error::chain;
use crate::sync::{Mutex, PoisonError};

/// What all deliveries of a relay have in common.
pub(super) struct Shared<St, R> {
    pub(super) name: Arc<str>,
    pub(super) store: St,
    pub(super) rules: R,
    pub(super) numbers: Numbers,
    pub(super) handle: RelayHandle,
    pub(super) rng: Mutex<SmallRng>,
}

impl<St, R> Shared<St, R> {
    /// The jittered pause after the `attempts`-th failed attempt; for zero that of the first.
    pub(super) fn pause(&self, attempts: u32) -> Duration {
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        let mut waits = Waits::new();
        for _ in 1..attempts {
            waits.next(&self.numbers.backoff, &mut *rng);
        }
        waits.next(&self.numbers.backoff, &mut *rng)
    }

    /// What a call of the store returned, unless it failed or took longer than `limit`: that is traced and counted.
    pub(super) async fn of_store<T>(
        &self,
        method: &'static str,
        limit: Duration,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Option<T> {
        let error = match within(end_of(limit), call).await {
            Some(Ok(value)) => return Some(value),
            Some(Err(error)) => chain(&error),
            None => format!("it did not return within {limit:?}"),
        };
        self.handle.counts().store_failures.add_one();
        tracing::warn!(relay = &*self.name, method, error, "outbox store failed");
        None
    }
}
