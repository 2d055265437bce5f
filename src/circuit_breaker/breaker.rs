use std::sync::Arc;

use super::circuit::Circuit;

/// What all services of a layer share.
#[derive(Debug)]
pub(super) struct Breaker<R> {
    pub(super) circuit: Circuit,
    pub(super) rules: Arc<R>,
}

impl<R> Clone for Breaker<R> {
    fn clone(&self) -> Self {
        Self { circuit: self.circuit.clone(), rules: Arc::clone(&self.rules) }
    }
}
