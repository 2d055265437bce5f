use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tower_service::Service;

use super::future::ResponseFuture;
use super::handle::FailoverHandle;
use super::provider::Instance;
use super::shared::Shared;
use crate::deadline::may_be_repeating;
use crate::error::{Rejectable, Rejection};
use crate::rules::{Classify, Discard, Idempotency, Replay};

/// Several providers of the same thing as one service, which moves to the next one when that is harmless.
pub struct Failover<R, Request, T, E> {
    shared: Arc<Shared<R, Request, T, E>>,
    /// The provider of `instance`.
    first: usize,
    instance: Instance<Request, T, E>,
    /// Why the instance before this one did not become ready.
    broken: Option<E>,
}

impl<R, Request, T, E> Failover<R, Request, T, E> {
    pub(super) fn from_shared(shared: Arc<Shared<R, Request, T, E>>) -> Self {
        let instance = shared.spares[0].clone();
        Self { shared, first: 0, instance, broken: None }
    }

    /// Steers it by hand.
    #[must_use]
    pub fn handle(&self) -> FailoverHandle {
        FailoverHandle::new(Arc::clone(&self.shared.switches))
    }

    fn go_to(&mut self, provider: usize) {
        self.first = provider;
        self.broken = None;
        self.instance = self.shared.spares[provider].clone();
    }
}

/// A clone starts unpolled. It has the same providers and the same switches.
impl<R, Request, T, E> Clone for Failover<R, Request, T, E> {
    fn clone(&self) -> Self {
        let instance = self.instance.clone();
        Self { shared: Arc::clone(&self.shared), first: self.first, instance, broken: None }
    }
}

impl<R, Request, T, E> Service<Request> for Failover<R, Request, T, E>
where
    R: Classify<T, E> + Replay<Request> + Discard<T>,
    E: Rejectable,
{
    type Response = T;
    type Error = E;
    type Future = ResponseFuture<R, Request, T, E>;

    /// Ready when the first provider is. No other one is asked before a request moves to it.
    ///
    /// It returns no error: a provider that does not become ready is one from which the next request moves on.
    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        let switches = &self.shared.switches;
        if let Some(first) = switches.read().first(switches.providers.len()) {
            if first != self.first {
                self.go_to(first);
            }
            if self.broken.is_none() {
                if let Err(error) = ready!(self.instance.poll_ready(cx)) {
                    // An instance that failed is not asked again.
                    self.go_to(first);
                    self.broken = Some(error);
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, request: Request) -> Self::Future {
        let switches = &self.shared.switches;
        let count = switches.providers.len();
        let word = switches.read();
        let Some(first) = word.first(count) else {
            let rejection = Rejection::all_unavailable(Arc::clone(&switches.name), None);
            return ResponseFuture::rejected(Arc::clone(&self.shared), rejection.into());
        };
        let may_move = word.next(1 << first, count).is_some();
        let copy = if may_move { self.shared.rules.copy(&request) } else { None };
        let shared = Arc::clone(&self.shared);
        if may_be_repeating() && shared.rules.idempotency(&request) != Idempotency::Safe {
            self.broken = None;
            return ResponseFuture::doubtful(shared, word, first, copy, request);
        }
        if first != self.first {
            // A switch was thrown since it was polled: the other provider has not been asked whether it is ready.
            self.go_to(first);
            return ResponseFuture::waiting(shared, word, first, copy, self.instance.clone(), request);
        }
        if let Some(error) = self.broken.take() {
            return ResponseFuture::broken(shared, word, first, copy, error);
        }
        ResponseFuture::called(shared, word, first, copy, self.instance.call(request))
    }
}

impl<R: fmt::Debug, Request, T, E> fmt::Debug for Failover<R, Request, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failover")
            .field("name", &self.shared.switches.name)
            .field("providers", &self.shared.switches.providers)
            .field("rules", &self.shared.rules)
            .finish_non_exhaustive()
    }
}
