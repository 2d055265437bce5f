use std::sync::Arc;

use tower_layer::Layer;

use super::body::Plain;
#[cfg(feature = "http")]
use super::body::WithBody;
use super::service::StackService;
use crate::bulkhead::{QueueingBulkheadLayer, Semaphore};
use crate::circuit_breaker::{Circuit, CircuitBreakerLayer};
use crate::error::ServiceErrorLayer;
#[cfg(feature = "http")]
use crate::http::HttpRules;
use crate::retry::{RetryBudget, RetryLayer};
use crate::timeout::TimeoutLayer;

/// The usual layers in one. Made by [`Stack::new`] and, for HTTP, `Stack::http`.
///
/// `R` are the rules. `B` says whether the responses have bodies that the total timeout bounds. Cheap to clone; clones,
/// and all services made from them, share the circuit, the permits and the budget.
#[derive(Debug)]
pub struct Stack<R, B = Plain> {
    parts: Arc<Parts<R>>,
    body: B,
}

/// A stack for HTTP.
#[cfg(feature = "http")]
pub type HttpStack<R = HttpRules> = Stack<R, WithBody>;

#[derive(Debug)]
pub(super) struct Parts<R> {
    pub(super) total: TimeoutLayer,
    pub(super) retry: RetryLayer<R>,
    pub(super) breaker: CircuitBreakerLayer<R>,
    pub(super) bulkhead: QueueingBulkheadLayer,
    pub(super) attempt: TimeoutLayer,
    /// Whether there is a circuit that can open.
    pub(super) has_circuit: bool,
    pub(super) has_bulkhead: bool,
}

impl<R, B> Stack<R, B> {
    pub(super) fn of(parts: Parts<R>, body: B) -> Self {
        Self { parts: Arc::new(parts), body }
    }

    /// The circuit, unless it was left out.
    #[must_use]
    pub fn circuit(&self) -> Option<&Circuit> {
        self.parts.has_circuit.then(|| self.parts.breaker.circuit())
    }

    /// The permits of the bulkhead, unless it was left out.
    #[must_use]
    pub fn semaphore(&self) -> Option<&Semaphore> {
        self.parts.has_bulkhead.then(|| self.parts.bulkhead.semaphore())
    }

    /// The budget that pays for the retries.
    #[must_use]
    pub fn budget(&self) -> &RetryBudget {
        self.parts.retry.policy().budget()
    }
}

impl<R: Clone, B: Clone> Stack<R, B> {
    /// Another stack of the same numbers, with a circuit of this name, permits and a budget of its own: one for each host,
    /// for example.
    #[must_use]
    pub fn sibling(&self, name: impl Into<Arc<str>>) -> Self {
        let Parts { total, retry, breaker, bulkhead, attempt, has_circuit, has_bulkhead } = &*self.parts;
        let circuit = breaker.circuit().sibling(name);
        if !has_circuit {
            circuit.force_closed();
        }
        let parts = Parts {
            total: *total,
            retry: RetryLayer::new(retry.policy().sibling(), retry.rules().clone()),
            breaker: CircuitBreakerLayer::new(circuit, retry.rules().clone()),
            bulkhead: bulkhead.sibling(),
            attempt: *attempt,
            has_circuit: *has_circuit,
            has_bulkhead: *has_bulkhead,
        };
        Self::of(parts, self.body.clone())
    }
}

impl<R, B: Clone> Clone for Stack<R, B> {
    fn clone(&self) -> Self {
        Self { parts: Arc::clone(&self.parts), body: self.body.clone() }
    }
}

impl<S: Clone, R, B: Clone> Layer<S> for Stack<R, B> {
    type Service = StackService<S, R, B>;

    fn layer(&self, client: S) -> Self::Service {
        let Parts { total, retry, breaker, bulkhead, attempt, has_circuit, has_bulkhead } = &*self.parts;
        let attempt = bulkhead.layer(attempt.layer(ServiceErrorLayer.layer(client)));
        let layers = total.layer(retry.layer(breaker.layer(attempt)));
        StackService::new(layers, self.body.clone(), *has_circuit, *has_bulkhead)
    }
}
