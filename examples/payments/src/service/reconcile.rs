//! Compares the orders with both providers' books, in full. What is safe to repair is repaired; the rest is for a person.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::shop::Shop;
use crate::domain::{Key, Order, Provider, State};
use crate::gateway::{Found, Listed, PayError, Wire};
use crate::gauge::observed;
use crate::storage::{Storage, StorageError};

/// Where both sides differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// Something stands, and the order is open: the sweep settles it.
    Open(Key),
    /// Charged, and the order says that this charge does not count: it failed, or it was paid otherwise. It is voided.
    Surplus(Provider, Key),
    /// For a person: nobody else may take money, give up what was delivered, or explain the rest.
    ForAPerson(String, String),
}

/// What was found and done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Reconciled {
    pub orders: usize,
    pub payments: usize,
    pub settled: usize,
    pub voided: usize,
    pub for_a_person: usize,
    /// Could not be seen to now: run it again.
    pub left: usize,
}

/// Why there was no comparison.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    #[error("{0}")]
    Storage(#[from] StorageError),
    #[error("no list from {0}: {1}")]
    Provider(Provider, PayError),
}

/// The differences between the orders and what the providers list.
pub fn compare(orders: &[Order], lists: &[(Provider, Vec<Listed>)]) -> Vec<Difference> {
    let by_id: HashMap<&str, &Order> = orders.iter().map(|order| (order.id.as_str(), order)).collect();
    let mut charged: HashSet<&str> = HashSet::new();
    let mut differences = Vec::new();
    let person = |id: &str, what: String| Difference::ForAPerson(id.to_owned(), what);
    for (provider, list) in lists {
        for Listed { key: text, found } in list {
            let Found::Charged { cents, .. } = found else { continue };
            let key = Key::parse(text);
            let Some((key, order)) = key.and_then(|key| Some((by_id.get(key.order.as_str())?, key))).map(swap) else {
                differences.push(person(text, format!("charged {cents} at {provider}, and there is no such order")));
                continue;
            };
            match &order.state {
                State::Completed { at, .. } if at == provider && key.attempt == order.attempt => {
                    if !charged.insert(&order.id) {
                        differences.push(person(&order.id, format!("charged more than once at {provider}")));
                    }
                    if *cents != order.cents {
                        let what = format!("charged {cents} at {provider} instead of {}", order.cents);
                        differences.push(person(&order.id, what));
                    }
                }
                State::Pending(_) | State::Voiding(_) if key.attempt == order.attempt => {
                    differences.push(Difference::Open(key));
                }
                // It failed, it was paid otherwise, or this was an earlier attempt, which was certainly given up.
                _ => differences.push(Difference::Surplus(*provider, key)),
            }
        }
    }
    for order in orders {
        if matches!(order.state, State::Completed { .. }) && !charged.contains(order.id.as_str()) {
            differences.push(person(&order.id, format!("is {}, and not charged", order.state)));
        }
    }
    differences
}

fn swap<A, B>((a, b): (A, B)) -> (B, A) {
    (b, a)
}

impl<W: Wire, S: Storage> Shop<W, S> {
    /// It may run while orders are taken: a difference is looked at again before anything is done about it.
    pub async fn reconcile(&self) -> Result<Reconciled, ReconcileError> {
        let mut reconciled = Reconciled::default();
        let first = self.differences(&mut reconciled).await?;
        if first.is_empty() {
            return Ok(reconciled);
        }
        // What both looks see is no order on its way.
        let second = self.differences(&mut reconciled).await?;
        for difference in second.into_iter().filter(|difference| first.contains(difference)) {
            match difference {
                Difference::Open(key) => match self.sweep(&key.to_string()).await {
                    Ok(()) => reconciled.settled += 1,
                    Err(_) => reconciled.left += 1,
                },
                Difference::Surplus(provider, key) => {
                    let client = self.inside.gateway.client(provider);
                    let voided = observed(self.within(client.void(&key))).await;
                    let line = format!("reconcile: {key} at {provider} does not count: void {voided:?}");
                    self.storage().note(&key.order, &line).await?;
                    *(if voided.is_ok() { &mut reconciled.voided } else { &mut reconciled.left }) += 1;
                }
                Difference::ForAPerson(order, what) => {
                    self.storage().list_for_a_person(&order, &what).await?;
                    reconciled.for_a_person += 1;
                }
            }
        }
        Ok(reconciled)
    }

    async fn differences(&self, reconciled: &mut Reconciled) -> Result<Vec<Difference>, ReconcileError> {
        // The lists first: an order is written down before it is charged, so each charge in a list has its order.
        let mut lists = Vec::new();
        for provider in Provider::ALL {
            let list = observed(self.inside.gateway.client(provider).list()).await;
            lists.push((provider, list.map_err(|error| ReconcileError::Provider(provider, error))?));
        }
        let orders = self.storage().orders().await?;
        (reconciled.orders, reconciled.payments) = (orders.len(), lists.iter().map(|(_, list)| list.len()).sum());
        Ok(compare(&orders, &lists))
    }
}

#[cfg(test)]
mod tests;
