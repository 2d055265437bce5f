//! A service of any type that is one of several for the same thing.

use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use tower_service::Service;

use crate::boxed::Boxed;

trait CloneService<Request, T, E>: Send {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), E>>;
    fn call(&mut self, request: Request) -> Boxed<Result<T, E>>;
    fn boxed_clone(&self) -> Box<dyn CloneService<Request, T, E>>;
}

impl<S, Request> CloneService<Request, S::Response, S::Error> for S
where
    S: Service<Request> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Service::poll_ready(self, cx)
    }

    fn call(&mut self, request: Request) -> Boxed<Result<S::Response, S::Error>> {
        Boxed::new(Service::call(self, request))
    }

    fn boxed_clone(&self) -> Box<dyn CloneService<Request, S::Response, S::Error>> {
        Box::new(self.clone())
    }
}

/// An instance of a provider's service. A clone starts unpolled.
pub(super) struct Instance<Request, T, E> {
    /// Locked to be cloned only: the lock makes it `Sync`.
    service: Mutex<Box<dyn CloneService<Request, T, E>>>,
}

impl<Request, T, E> Instance<Request, T, E> {
    pub(super) fn new<S>(service: S) -> Self
    where
        S: Service<Request, Response = T, Error = E> + Clone + Send + 'static,
        S::Future: Send + 'static,
    {
        Self { service: Mutex::new(Box::new(service)) }
    }

    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        self.service.get_mut().unwrap_or_else(PoisonError::into_inner).poll_ready(cx)
    }

    pub(super) fn call(&mut self, request: Request) -> Boxed<Result<T, E>> {
        self.service.get_mut().unwrap_or_else(PoisonError::into_inner).call(request)
    }
}

impl<Request, T, E> Clone for Instance<Request, T, E> {
    fn clone(&self) -> Self {
        let service = self.service.lock().unwrap_or_else(PoisonError::into_inner).boxed_clone();
        Self { service: Mutex::new(service) }
    }
}
