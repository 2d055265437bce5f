use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::time::Instant;
use tower_service::Service;

use super::future::ResponseFuture;
use super::handle::Hedging;
use super::shared::Shared;
use super::watch::Watch;
use crate::error::Rejectable;
use crate::instance::Instance;
use crate::rules::{Classify, Discard, Replay};

/// A service whose slow attempts get a second one beside them. Made by [`HedgeLayer`](super::HedgeLayer).
///
/// Clones share the delay, the counts and the budget.
pub struct Hedge<S, R> {
    inner: S,
    shared: Instance<Arc<Shared<S, R>>>,
    /// The inner service may have been changed since the spare one was made.
    stale: bool,
}

impl<S, R> Hedge<S, R> {
    pub(super) fn new(inner: S, shared: Arc<Shared<S, R>>) -> Self {
        Self { inner, shared: Instance::new(shared), stale: false }
    }

    /// When hedges are sent, and what became of them.
    #[must_use]
    pub fn hedging(&self) -> &Hedging {
        self.shared.hedging()
    }

    /// Whether a budget of its own was drawn on.
    pub(crate) fn has_drawn(&self) -> bool {
        self.shared.has_drawn()
    }

    /// The wrapped service.
    #[must_use]
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The wrapped service. Hedges are made by clones of it as it is at the next call.
    #[must_use]
    pub const fn get_mut(&mut self) -> &mut S {
        self.stale = true;
        &mut self.inner
    }

    /// The wrapped service, unwrapped.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Clone, R> Clone for Hedge<S, R> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), shared: self.shared.clone(), stale: self.stale }
    }
}

impl<S, R, Request> Service<Request> for Hedge<S, R>
where
    S: Service<Request> + Clone,
    S::Error: Rejectable,
    R: Classify<S::Response, S::Error> + Replay<Request> + Discard<S::Response>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, Request, R>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    /// The first attempt is made by the instance that was polled ready, hedges by clones that are polled first.
    #[inline(always)]
    fn call(&mut self, request: Request) -> Self::Future {
        if self.stale {
            self.shared = Instance::new(self.shared.with(&self.inner));
            self.stale = false;
        }
        let hedging = self.shared.hedging();
        let delay = hedging.delay();
        let rules = self.shared.rules();
        let watches = hedging.max_hedges() > 0
            && (delay.is_some() || hedging.is_learning())
            && rules.idempotency(&request).is_repeatable();
        // While no delay is known, no hedge is sent.
        let copy = if watches && delay.is_some() { rules.copy(&request) } else { None };
        if !watches || (delay.is_some() && copy.is_none()) {
            return ResponseFuture::once(self.inner.call(request));
        }
        let started = Instant::now();
        let due = delay.and_then(|delay| started.checked_add(delay));
        let watch = Watch::new(Arc::clone(self.shared.called()), started);
        ResponseFuture::new(self.inner.call(request), watch, due, copy)
    }
}

impl<S: fmt::Debug, R> fmt::Debug for Hedge<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hedge").field("inner", &self.inner).field("hedging", self.hedging()).finish_non_exhaustive()
    }
}
