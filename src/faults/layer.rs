use std::fmt;

use tower_layer::Layer;

use super::service::Faulty;
use super::switch::Switch;

/// Fails on purpose, as its [`Faults`](super::Faults) say. Made by [`Faults::layer`](super::Faults::layer).
pub struct FaultLayer<Request, E> {
    switch: Switch<Request, E>,
}

impl<Request, E> FaultLayer<Request, E> {
    pub(super) const fn new(switch: Switch<Request, E>) -> Self {
        Self { switch }
    }
}

impl<Request, E> Clone for FaultLayer<Request, E> {
    fn clone(&self) -> Self {
        Self::new(self.switch.clone())
    }
}

impl<S, Request, E> Layer<S> for FaultLayer<Request, E> {
    type Service = Faulty<S, Request, E>;

    fn layer(&self, inner: S) -> Self::Service {
        Faulty::new(inner, self.switch.clone())
    }
}

impl<Request, E> fmt::Debug for FaultLayer<Request, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultLayer").field("is_on", &self.switch.is_on()).finish()
    }
}
