use std::sync::Arc;

use super::circuit::Circuit;

/// What all services of a layer share.
#[derive(Debug)]
pub(super) struct Breaker<R> {
    pub(super) circuit: Circuit,
    pub(super) rules: Arc<R>,
    /// A load balancer above takes another endpoint while the circuit is open.
    pub(super) pending_while_open: bool,
}

impl<R> Clone for Breaker<R> {
    fn clone(&self) -> Self {
        let Self { circuit, rules, pending_while_open } = self;
        Self { circuit: circuit.clone(), rules: Arc::clone(rules), pending_while_open: *pending_while_open }
    }
}
